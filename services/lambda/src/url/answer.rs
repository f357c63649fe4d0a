//! What a function answers, as HTTP: whole answers in payload format 2.0, and the metadata before streamed ones.
//!
//! AWS: Lambda developer guide, "Invoking Lambda function URLs", response payload format.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use casemate_kernel::Outgoing;
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE},
};
use serde_json::Value;

/// Streams of this type begin with status, headers and cookies.
const WITH_METADATA: &str = "application/vnd.awslambda.http-integration-response";
/// Between metadata and body.
const DELIMITER: [u8; 8] = [0; 8];
/// Most bytes of metadata. Ours: more than a listener takes of a request's head.
const METADATA_BYTES_MAX: usize = 128 * 1024;
/// Most headers of one answer, cookies included, and most bytes of them. Ours: more than clients take.
const HEADERS_MAX: usize = 128;
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Headers that are the connection's.
// DIVERGES: on AWS some of these come out under the name `x-amzn-remapped-…`; here they are left out.
const DROPPED: [&str; 7] =
    ["connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "te", "trailer"];

/// An answer, or its beginning.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// Reads a whole answer. The error says what is wrong with it.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, &'static str> {
        let value: Value = serde_json::from_slice(payload).map_err(|_| "the answer is not JSON")?;
        let Some(fields) = value.as_object().filter(|fields| fields.contains_key("statusCode")) else {
            // AWS: JSON without a status is the body.
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(Self { status: StatusCode::OK, headers, body: Bytes::copy_from_slice(payload) });
        };
        let (status, mut headers) = status_and_headers(fields)?;
        let encoded = fields.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or_default();
        let body = match fields.get("body") {
            None | Some(Value::Null) => Bytes::new(),
            Some(Value::String(text)) if encoded => {
                STANDARD.decode(text).map_err(|_| "the body is not base64")?.into()
            }
            Some(Value::String(text)) => Bytes::from(text.clone()),
            Some(other) => Bytes::from(other.to_string()),
        };
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        Ok(Self { status, headers, body })
    }

    pub(super) fn outgoing(self) -> Outgoing {
        Outgoing::of(self.status, self.headers, self.body)
    }
}

fn status_and_headers(
    fields: &serde_json::Map<String, Value>,
) -> Result<(StatusCode, HeaderMap), &'static str> {
    let status = match fields.get("statusCode") {
        None | Some(Value::Null) => Some(200),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    // Interim answers are no answers.
    let status = status.filter(|status| *status >= 200).and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or("the status is none")?;
    let mut headers = HeaderMap::new();
    let mut room = Room { headers: HEADERS_MAX, bytes: HEADER_BYTES_MAX };
    for (name, value) in fields.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is none")?;
        let value = HeaderValue::from_str(&text).map_err(|_| "a header's value is none")?;
        if !DROPPED.contains(&name.as_str()) {
            room.take(&name, &value)?;
            headers.insert(name, value);
        }
    }
    for cookie in fields.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        let cookie = cookie.as_str().and_then(|cookie| HeaderValue::from_str(cookie).ok());
        let cookie = cookie.ok_or("a cookie is none")?;
        room.take(&SET_COOKIE, &cookie)?;
        headers.append(SET_COOKIE, cookie);
    }
    Ok((status, headers))
}

/// What an answer's headers may still take.
struct Room {
    headers: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), &'static str> {
        let bytes = name.as_str().len().saturating_add(value.len());
        let left = self.headers.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        (self.headers, self.bytes) = left.ok_or("there are too many headers")?;
        Ok(())
    }
}

/// The beginning of a streamed answer, until it is known what it is.
#[derive(Debug)]
pub(super) struct Prelude {
    content_type: Option<String>,
    bytes: BytesMut,
    /// Before it, no delimiter begins.
    searched: usize,
    /// Where the delimiter begins.
    found: Option<usize>,
}

impl Prelude {
    pub(super) fn of(content_type: Option<String>) -> Self {
        Self { content_type, bytes: BytesMut::new(), searched: 0, found: None }
    }

    /// More of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        self.bytes.extend_from_slice(bytes);
        self.search();
        let found = self.found.unwrap_or(self.bytes.len());
        if found > METADATA_BYTES_MAX { Err("the stream's metadata do not end") } else { Ok(()) }
    }

    /// The answer's beginning, with what is there of its body; `None` until the metadata are complete.
    pub(super) fn complete(&mut self) -> Result<Option<Answer>, &'static str> {
        if self.content_type.as_deref() != Some(WITH_METADATA) {
            let mut headers = HeaderMap::new();
            let kind = self.content_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok());
            headers
                .insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
            let body = std::mem::take(&mut self.bytes).freeze();
            return Ok(Some(Answer { status: StatusCode::OK, headers, body }));
        }
        let Some(at) = self.found.take() else { return Ok(None) };
        let metadata = self.bytes.split_to(at);
        let mut body = std::mem::take(&mut self.bytes).freeze();
        bytes::Buf::advance(&mut body, DELIMITER.len());
        let value: Value =
            serde_json::from_slice(&metadata).map_err(|_| "the stream's metadata are not JSON")?;
        let fields = value.as_object().ok_or("the stream's metadata are no object")?;
        let (status, mut headers) = status_and_headers(fields)?;
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
        Ok(Some(Answer { status, headers, body }))
    }

    /// Looks for the delimiter in what was not looked at: each byte is seen a fixed number of times, however they come.
    fn search(&mut self) {
        if self.found.is_some() {
            return;
        }
        let rest = self.bytes.get(self.searched..).unwrap_or_default();
        let at = rest.windows(DELIMITER.len()).position(|window| window == DELIMITER);
        self.found = at.map(|at| at.saturating_add(self.searched));
        // The last bytes may be the delimiter's first.
        self.searched = self.bytes.len().saturating_sub(DELIMITER.len() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_a_status_is_the_body() {
        for payload in [r#""hello""#, r#"{"a":1}"#, "null"] {
            let answer = Answer::parse(payload.as_bytes()).unwrap();
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, payload.as_bytes()));
            assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
        }
    }

    #[test]
    fn status_headers_cookies_and_encoded_bodies_are_read() {
        let payload =
            br#"{"statusCode":"201","headers":{"X-N":1,"Connection":"close"},"cookies":["a=1","b=2"],
            "body":"aGk=","isBase64Encoded":true}"#;
        let answer = Answer::parse(payload).unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (201, &b"hi"[..]));
        assert_eq!(answer.headers["x-n"], "1");
        assert!(!answer.headers.contains_key("connection"));
        assert_eq!(answer.headers.get_all(SET_COOKIE).iter().count(), 2);
    }

    #[test]
    fn malformed_answers_are_refused() {
        for payload in [
            "nope",
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":{}}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"c\r\nd: e"}}"#,
            r#"{"statusCode":200,"cookies":["a\n"]}"#,
            r#"{"statusCode":200,"body":"*","isBase64Encoded":true}"#,
        ] {
            assert!(Answer::parse(payload.as_bytes()).is_err(), "{payload}");
        }
    }

    #[test]
    fn answers_with_too_many_headers_are_refused() {
        let answer = |headers: usize, cookies: usize, bytes: usize| {
            let named = (0..headers).map(|n| (format!("h{n}"), Value::from("x".repeat(bytes))));
            let headers: serde_json::Map<String, Value> = named.collect();
            let text =
                serde_json::json!({ "statusCode": 200, "headers": headers, "cookies": vec!["a=1"; cookies] });
            Answer::parse(text.to_string().as_bytes()).map(|answer| answer.headers.len())
        };
        // The content type is added.
        assert_eq!(answer(100, 28, 1), Ok(HEADERS_MAX + 1));
        for (headers, cookies, bytes) in
            [(100, 29, 1), (30_000, 0, 1), (0, 30_000, 1), (1, 0, HEADER_BYTES_MAX)]
        {
            assert!(answer(headers, cookies, bytes).is_err(), "{headers} {cookies} {bytes}");
        }
    }

    #[test]
    fn metadata_may_come_byte_by_byte() {
        let mut prelude = Prelude::of(Some(WITH_METADATA.to_owned()));
        let mut done = Vec::new();
        for byte in b"{\"statusCode\":203}\0\0\0\0\0\0\0\0" {
            prelude.push(&[*byte]).unwrap();
            done.extend(prelude.complete().unwrap().map(|answer| answer.status.as_u16()));
        }
        assert_eq!(done, [203]);
    }

    #[test]
    fn metadata_may_come_in_pieces() {
        let mut prelude = Prelude::of(Some(WITH_METADATA.to_owned()));
        for piece in [&b"{\"statusCode\":202}"[..], &[0; 5]] {
            prelude.push(piece).unwrap();
            assert!(prelude.complete().unwrap().is_none());
        }
        prelude.push(b"\0\0\0body").unwrap();
        let answer = prelude.complete().unwrap().unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (202, &b"body"[..]));
    }

    #[test]
    fn metadata_without_end_are_refused() {
        let mut prelude = Prelude::of(Some(WITH_METADATA.to_owned()));
        assert!(prelude.push(&vec![b'x'; METADATA_BYTES_MAX + 1]).is_err());
    }
}
