//! Answers and errors, byte by byte.

use casemate_schema::{Document, OpMeta, Protocol};
use casemate_wire::{
    Dialect, EncodeError, ErrorAnswer, HttpAnswer, body_bytes_max, encode, encode_error, encode_request,
};

use crate::model;

fn body(answer: &HttpAnswer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn modelled(status: u16) -> ErrorAnswer {
    let mut error = ErrorAnswer::new("Missing", "It is \"not\" <there>", status);
    error.schema = Some(&model::MISSING);
    error.fields = Document::structure([
        ("Item", "x".into()),
        ("RetryAfter", "5".into()),
        ("Unmodelled", "secret".into()),
    ]);
    error
}

#[test]
fn json_answer_has_type_id_and_modelled_members_only() {
    let output = Document::structure([
        ("Int", 5.into()),
        ("Secret", "not in the model".into()),
        ("Time", casemate_names::Timestamp::from_millis(1_764_000_000_250).into()),
        ("Texts", Document::List(vec!["a\"\n".into()])),
    ]);
    let answer = encode(&model::ELEVEN_PUT, output, "the-id");
    assert_eq!(body(&answer), r#"{"theInt":5,"Time":1764000000.25,"Texts":["a\"\n"]}"#);
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"));
    assert_eq!(answer.header("x-amzn-requestid"), Some("the-id"));
    assert_eq!(answer.header("x-amz-crc32"), None);
}

#[test]
fn query_answer_is_wrapped_and_escaped() {
    let output = Document::structure([
        ("Text", "<&>\"'\r\u{1}".into()),
        ("Texts", Document::List(vec!["a".into()])),
        ("Flat", Document::List(vec![1.into(), 2.into()])),
        ("TextMap", Document::Map(vec![("k".to_owned(), "v".into())])),
    ]);
    let answer = encode(&model::QUERY_PUT, output, "the-id");
    let expected = "<PutResponse xmlns=\"https://query.example/doc/\"><PutResult>\
        <Text>&lt;&amp;&gt;&quot;&apos;&#xD;\u{fffd}</Text><Texts><member>a</member></Texts><Flat>1</Flat><Flat>2</Flat>\
        <TextMap><entry><key>k</key><value>v</value></entry></TextMap></PutResult>\
        <ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></PutResponse>";
    assert_eq!(body(&answer), expected);
    assert_eq!(answer.header("content-type"), Some("text/xml"));
}

#[test]
fn rest_answer_binds_status_and_headers() {
    let output = Document::structure([
        ("Status", 202.into()),
        ("Mode", "fast".into()),
        ("Node", Document::structure([("Text", "x".into())])),
    ]);
    let answer = encode(&model::REST_PUT, output, "the-id");
    assert_eq!(answer.status.as_u16(), 202);
    assert_eq!(answer.header("x-mode"), Some("fast"));
    assert_eq!(body(&answer), r#"{"node":{"Text":"x"}}"#);
    assert_eq!(encode(&model::REST_PUT, Document::empty(), "the-id").status.as_u16(), 201);
}

#[test]
fn header_that_would_split_the_answer_is_left_out() {
    let output = Document::structure([("Mode", "a\r\nX-Evil: 1".into())]);
    let answer = encode(&model::REST_PUT, output, "the-id");
    assert_eq!(answer.header("x-mode"), None);
    assert_eq!(answer.header("x-evil"), None);
}

#[test]
fn operation_without_output_has_no_rest_body() {
    let op = Box::leak(Box::new(OpMeta { output: &model::EMPTY, ..copy(&model::REST_LIST) }));
    let answer = encode(op, Document::empty(), "the-id");
    assert!(answer.body.is_empty() && answer.header("content-type").is_none());
}

fn copy(op: &OpMeta) -> OpMeta {
    OpMeta { http: casemate_schema::HttpBinding { status: 204, ..op.http }, ..*op }
}

#[test]
fn json_error_names_its_code_in_the_body() {
    let answer = encode_error(&modelled(404), Dialect::from(Protocol::AwsJson1_0), "the-id");
    assert_eq!(body(&answer), r#"{"__type":"Missing","Message":"It is \"not\" <there>","Item":"x"}"#);
    assert!(answer.header("x-amz-crc32").is_some());
    let bare =
        encode_error(&ErrorAnswer::new("Gone", "", 400), Dialect::from(Protocol::AwsJson1_1), "the-id");
    assert_eq!(body(&bare), r#"{"__type":"Gone"}"#);
}

#[test]
fn rest_error_names_its_code_in_a_header() {
    let answer = encode_error(&modelled(404), Dialect::from(Protocol::RestJson), "the-id");
    assert_eq!(answer.header("x-amzn-errortype"), Some("Missing"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(body(&answer), r#"{"Type":"User","Message":"It is \"not\" <there>","Item":"x"}"#);
    let ours = encode_error(&modelled(500), Dialect::from(Protocol::RestJson), "the-id");
    assert!(body(&ours).contains(r#""Type":"Service""#));
    let plain =
        encode_error(&ErrorAnswer::new("Gone", "away", 400), Dialect::from(Protocol::RestJson), "the-id");
    assert_eq!(body(&plain), r#"{"message":"away"}"#);
}

#[test]
fn query_error_is_xml_in_the_services_namespace() {
    let answer = encode_error(&ErrorAnswer::new("Gone", "a<b", 400), Dialect::from(&model::QUERY), "the-id");
    let expected = "<ErrorResponse xmlns=\"https://query.example/doc/\"><Error><Type>Sender</Type><Code>Gone</Code>\
        <Message>a&lt;b</Message></Error><RequestId>the-id</RequestId></ErrorResponse>";
    assert_eq!(body(&answer), expected);
    let ours =
        encode_error(&ErrorAnswer::new("Broken", "", 500), Dialect::from(Protocol::AwsQuery), "the-id");
    assert!(body(&ours).contains("<Type>Receiver</Type>"));
}

#[test]
fn client_refuses_an_empty_label_and_an_impossible_header() {
    let missing = encode_request(&model::REST_READ, &Document::empty());
    assert_eq!(missing.unwrap_err(), EncodeError::EmptyLabel("Path"));
    let input = Document::structure([
        ("Name", "n".into()),
        ("Since", casemate_names::Timestamp::from_millis(0).into()),
        ("Mode", "a\nb".into()),
    ]);
    let refused = encode_request(&model::REST_PUT, &input).unwrap_err();
    assert_eq!(refused, EncodeError::HeaderValue("Mode".to_owned()));
}

#[test]
fn body_limits_follow_protocol_and_shape() {
    assert_eq!(body_bytes_max(None), 1 << 20);
    assert_eq!(body_bytes_max(Some(&model::QUERY_PUT)), 1 << 20);
    assert_eq!(body_bytes_max(Some(&model::TEN_PUT)), 16 << 20);
    assert_eq!(body_bytes_max(Some(&model::REST_LIST)), 6 << 20);
    assert_eq!(body_bytes_max(Some(&model::REST_UPLOAD)), 70_167_211);
}
