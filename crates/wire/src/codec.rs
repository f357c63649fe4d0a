//! Picks the codec of an operation's protocol.

use bytes::Bytes;
use casemate_schema::{Document, Kind, OpMeta, Protocol, Schema};
use http::StatusCode;

use crate::{
    DecodeError, Head, HttpAnswer, Route,
    answer::{XML, checksum, content_type, json_media_type, request_id_header},
    json, query, rest,
};

/// Reads the input of a routed request. Syntax only: whether values are legal is asked after admission.
pub fn decode(route: &Route, head: &Head, body: &Bytes) -> Result<Document, DecodeError> {
    match route.op.service.protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => json::read_input(route.op, head, body),
        Protocol::AwsQuery => query::read_input(route.op, route.form()),
        Protocol::RestJson => rest::read_input(route.op, &route.labels, head, body),
    }
}

/// Spells a successful answer.
pub fn encode(op: &OpMeta, output: Document, request_id: &str) -> HttpAnswer {
    let protocol = op.service.protocol;
    match protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => {
            let body = json::write_output(op.output, &output);
            let mut headers = vec![content_type(json_media_type(protocol)), request_id_header(request_id)];
            headers.extend(checksum(protocol, &body));
            HttpAnswer { status: success(op), headers, body }
        }
        Protocol::AwsQuery => HttpAnswer {
            status: success(op),
            headers: vec![content_type(XML), request_id_header(request_id)],
            body: query::answer_xml(op, &output, request_id),
        },
        Protocol::RestJson => rest::write_output(op, output, request_id),
    }
}

pub(crate) fn success(op: &OpMeta) -> StatusCode {
    StatusCode::from_u16(op.http.status).unwrap_or(StatusCode::OK)
}

/// How many bytes of body a request may have, by what is known before the body is read (`None`: awsQuery, whose body
/// says which operation is meant).
pub fn body_bytes_max(op: Option<&OpMeta>) -> usize {
    match op.map(|op| (op.service.protocol, op)) {
        None | Some((Protocol::AwsQuery, _)) => FORM_BYTES_MAX,
        Some((Protocol::AwsJson1_0 | Protocol::AwsJson1_1, _)) => JSON_BYTES_MAX,
        Some((Protocol::RestJson, op)) if carries_blob(op.input) => UPLOAD_BYTES_MAX,
        Some((Protocol::RestJson, _)) => REST_JSON_BYTES_MAX,
    }
}

/// A blob in the input, or one level below it (`Code.ZipFile`).
fn carries_blob(input: &Schema) -> bool {
    input.members().iter().any(|member| {
        let schema = (member.schema)();
        matches!(schema.kind, Kind::Blob)
            || schema.members().iter().any(|inner| matches!((inner.schema)().kind, Kind::Blob))
    })
}

/// Source: the largest legitimate form is an inline template of 51,200 bytes, tripled by percent-encoding.
pub(crate) const FORM_BYTES_MAX: usize = 1024 * 1024;
/// AWS: the largest awsJson request is a 16 MB batch; the same number bounds everything else that is awsJson.
const JSON_BYTES_MAX: usize = 16 * 1024 * 1024;
/// AWS: "Request must be smaller than 70167211 bytes", what it says to a code package above 50 MB (base64 in JSON).
const UPLOAD_BYTES_MAX: usize = 70_167_211;
/// AWS: an imported API description may have 6 MB.
const REST_JSON_BYTES_MAX: usize = 6 * 1024 * 1024;
