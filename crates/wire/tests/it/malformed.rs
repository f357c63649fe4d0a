//! Inputs that are wrong in every way a codec can meet: each is an error, none is a panic.

use bytes::Bytes;
use casemate_schema::{Document, OpMeta, Protocol};
use casemate_wire::{DecodeError, Route, Router, decode, document_from_json};
use proptest::prelude::*;

use crate::model::{self, head};

fn json(body: &str) -> Result<Document, DecodeError> {
    let head = head("POST", "/", &[("content-type", "application/x-amz-json-1.1")]);
    decode(&Route::direct(&model::ELEVEN_PUT), &head, &Bytes::copy_from_slice(body.as_bytes()))
}

fn message(result: Result<Document, DecodeError>) -> String {
    match result.unwrap_err() {
        DecodeError::Serialization(message) => message,
        other => other.to_string(),
    }
}

fn query(form: &str) -> Result<Document, DecodeError> {
    let head = head("POST", "/", &[("content-type", "application/x-www-form-urlencoded")]);
    let body = Bytes::from(format!("Action=Put&Version=2020-01-01&{form}"));
    let route = Router::new(model::ALL).route(&head, Some("query"), &body);
    decode(&route.map_err(|error| DecodeError::Serialization(error.to_string()))?, &head, &body)
}

fn rest(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Result<Document, DecodeError> {
    let head = head(method, target, headers);
    let body = Bytes::copy_from_slice(body.as_bytes());
    let route = Router::new(model::ALL).route(&head, Some("rest"), &body).unwrap();
    decode(&route, &head, &body)
}

#[test]
fn broken_json_is_refused() {
    for body in [
        "",
        "{",
        "}",
        "{]",
        "nul",
        "{\"Text\":}",
        "{} {}",
        "{\"Text\":\"\\ud800\"}",
        "\u{feff}{}",
        "{\"Text\" 1}",
    ] {
        assert!(message(json(body)).starts_with("Could not parse request body into json"), "{body}");
    }
    let head = head("POST", "/", &[]);
    let latin1 = Bytes::from_static(b"{\"Text\":\"\xff\"}");
    assert!(decode(&Route::direct(&model::ELEVEN_PUT), &head, &latin1).is_err());
}

#[test]
fn wrong_types_are_refused_in_the_vendors_words() {
    for (body, words) in [
        (r#"{"Text":1}"#, "NUMBER_VALUE cannot be converted to String"),
        (r#"{"Text":1.5}"#, "DECIMAL_VALUE cannot be converted to String"),
        (r#"{"Text":true}"#, "TRUE_VALUE cannot be converted to String"),
        (r#"{"Text":false}"#, "FALSE_VALUE cannot be converted to String"),
        (r#"{"Text":[]}"#, "Start of list found where not expected"),
        (r#"{"Text":{}}"#, "Start of structure or map found where not expected."),
        (r#"{"theInt":"1"}"#, "STRING_VALUE cannot be converted to Integer"),
        (r#"{"theInt":1.5}"#, "DECIMAL_VALUE cannot be converted to Integer"),
        (r#"{"theInt":2147483648}"#, "NUMBER_VALUE out of the range of Integer"),
        (r#"{"Long":9223372036854775808}"#, "DECIMAL_VALUE cannot be converted to Long"),
        (r#"{"Flag":"true"}"#, "STRING_VALUE cannot be converted to Boolean"),
        (r#"{"Flag":1}"#, "NUMBER_VALUE cannot be converted to Boolean"),
        (r#"{"Blob":"!"}"#, "Invalid Base64 text"),
        (r#"{"Blob":"YQ"}"#, "Invalid Base64 text"),
        (r#"{"Time":1e300}"#, "Invalid timestamp"),
        (r#"{"Time":"yesterday"}"#, "Invalid timestamp"),
        (r#"{"Texts":"x"}"#, "Unexpected field type"),
        (r#"{"Texts":{}}"#, "Start of structure or map found where not expected."),
        (r#"{"Texts":[null]}"#, "NULL_VALUE cannot be converted to String"),
        (r#"{"TextMap":{"a":null}}"#, "NULL_VALUE cannot be converted to String"),
        (r#"{"TextMap":[]}"#, "Start of list found where not expected"),
        (r#"{"Node":3}"#, "Unexpected field type"),
        ("[]", "Start of list found where not expected"),
        ("null", "Unexpected null"),
        ("1", "Unexpected field type"),
    ] {
        assert_eq!(message(json(body)), words, "{body}");
    }
}

#[test]
fn repeated_names_are_refused() {
    assert_eq!(message(json(r#"{"Text":"a","Text":"b"}"#)), "A member occurs twice");
    assert_eq!(message(json(r#"{"Text":null,"Text":"b"}"#)), "A member occurs twice");
    assert_eq!(message(json(r#"{"Text":"a","\u0054ext":"b"}"#)), "A member occurs twice");
    assert_eq!(message(json(r#"{"TextMap":{"a":"1","a":"2"}}"#)), "A key occurs twice");
}

#[test]
fn unknown_members_are_ignored_and_nulls_absent() {
    let read =
        json(r#"{"What":{"x":[1,{}]},"What":1,"__type":"x","Text":null,"Int":1,"theInt":5.0}"#).unwrap();
    assert_eq!(read, Document::structure([("Int", Document::Integer(5))]));
    let read = json(r#"{"Items":[null,{}]}"#).unwrap();
    assert_eq!(read.get("Items").unwrap().items(), [Document::empty(), Document::empty()]);
}

#[test]
fn deep_nesting_is_refused_without_exhausting_the_stack() {
    let nested = |levels: usize| "{\"Node\":".repeat(levels) + "{}" + &"}".repeat(levels);
    assert!(json(&nested(100)).is_ok());
    assert_eq!(json(&nested(101)), Err(DecodeError::TooComplex("The request is nested too deeply")));
    assert!(json(&nested(100_000)).is_err());
    let ignored = format!("{{\"What\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(json(&ignored), Ok(Document::empty()));
}

#[test]
fn empty_body_is_an_input_only_where_there_is_nothing_to_say() {
    let head = head("POST", "/", &[]);
    assert!(json("").is_err());
    assert_eq!(decode(&Route::direct(&model::ELEVEN_NONE), &head, &Bytes::new()), Ok(Document::empty()));
}

#[test]
fn malformed_query_values_are_refused() {
    for form in [
        "theInt=x",
        "theInt=",
        "theInt=%2B",
        "theInt=99999999999",
        "Flag=TRUE",
        "Flag=1",
        "Blob=%21",
        "Time=now",
        "Double=inf",
        "Texts=x",
        "Texts.member.0=x",
        "Texts.member.x=x",
        "Texts.member.01=x",
        "Texts.member.-1=x",
        "Texts.member.1000001=x",
        "Texts.member.99999999999999999999=x",
        "Texts.member.1.x=x",
        "Text.x=1",
        "Text=1&Text.x=1",
        "Node=x",
        "Node=x&Node.Text=y",
        "TextMap.entry.1.key=a",
        "TextMap.entry.1.value=a",
        "TextMap.entry.1=a",
        "TextMap.entry.1.key=a&TextMap.entry.1.value=b&TextMap.entry.2.key=a&TextMap.entry.2.value=c",
        "TextMap.entry.1.key.x=a&TextMap.entry.1.value=b",
    ] {
        let error = query(form).expect_err(form);
        assert_eq!(error.answer(Protocol::AwsQuery).code, "MalformedInput", "{form}");
    }
    assert_eq!(message(query("theInt=x")), "For input string: \"x\"");
    let deep = "Node.".repeat(32) + "Text=x";
    assert_eq!(query(&deep), Err(DecodeError::TooComplex("A parameter is nested too deeply")));
}

#[test]
fn query_gaps_close_and_order_is_numeric() {
    let read = query("Texts.member.10=c&Texts.member.2=b&Texts.member.1=a+b%2B&Unknown.member.x=1").unwrap();
    let texts: Vec<_> =
        read.get("Texts").unwrap().items().iter().map(|item| item.as_str().unwrap()).collect();
    assert_eq!(texts, ["a b+", "b", "c"]);
    assert_eq!(
        query("Texts=&TextMap=&Flat.1=4").unwrap(),
        Document::structure([
            ("Texts", Document::List(Vec::new())),
            ("Flat", Document::List(vec![Document::Integer(4)])),
            ("TextMap", Document::empty()),
        ])
    );
}

#[test]
fn malformed_rest_parts_are_refused() {
    let put = "/v1/things/n/since/2026-01-01T00:00:00Z?mode=put";
    for (target, headers, body) in [
        ("/v1/things/n/since/yesterday?mode=put", vec![], ""),
        (&*format!("{put}&limit=x"), vec![], ""),
        (&format!("{put}&limit=1&limit=2"), vec![], ""),
        (&format!("{put}&a=%"), vec![], ""),
        (&format!("{put}&a=1&a=2"), vec![], ""),
        (put, vec![("x-mode", "a"), ("x-mode", "b")], ""),
        (put, vec![("x-changed", "2026-01-01")], ""),
        (put, vec![("x-changed", "Tue, 99 Nov 2026 02:19:55 GMT")], ""),
        (put, vec![("x-tag-a", "1"), ("x-tag-a", "2")], ""),
        (put, vec![("x-modes", "\"a")], ""),
        (put, vec![("x-modes", "\"a\"b")], ""),
        (put, vec![], "{"),
        (put, vec![], "[]"),
        (put, vec![], r#"{"Count":"x"}"#),
    ] {
        assert!(rest("PUT", target, &headers, body).is_err(), "{target} {headers:?} {body}");
    }
    let many = format!("{put}{}", "&a".repeat(1001));
    assert_eq!(rest("PUT", &many, &[], ""), Err(DecodeError::TooComplex("Too many query parameters")));
}

#[test]
fn members_bound_elsewhere_are_not_read_from_the_body() {
    let put = "/v1/things/n/since/2026-01-01T00:00:00Z?mode=put&X-Amz-Date=1";
    let read = rest("PUT", put, &[], r#"{"name":"other","Name":"other","X-Mode":"x","limit":1}"#).unwrap();
    assert_eq!(read.get("Name").and_then(Document::as_str), Some("n"));
    assert!(read.get("Mode").is_none() && read.get("Limit").is_none() && read.get("Rest").is_none());
}

#[test]
fn rest_body_of_another_type_is_refused() {
    let put = "/v1/things/n/since/2026-01-01T00:00:00Z?mode=put";
    let read = rest("PUT", put, &[("content-type", "text/xml")], "{}");
    let error = read.unwrap_err();
    assert_eq!(error, DecodeError::UnsupportedMediaType("text/xml".to_owned()));
    assert_eq!(error.answer(Protocol::RestJson).status, 415);
    assert!(rest("POST", "/v1/blobs/x", &[("content-type", "text/xml")], "<a/>").is_ok());
}

static OPS: &[&OpMeta] = model::ALL;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_body_makes_a_codec_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(body);
        let _ = document_from_json(&model::NODE, &body);
        let router = Router::new(OPS);
        for (method, target) in [("POST", "/"), ("PUT", "/v1/things/n/since/x"), ("POST", "/v1/things")] {
            for kind in ["application/json", "application/x-www-form-urlencoded"] {
                let head = head(method, target, &[("content-type", kind)]);
                if let Ok(route) = router.route(&head, None, &body) {
                    let _ = decode(&route, &head, &body);
                }
            }
        }
    }

    #[test]
    fn no_form_makes_the_query_codec_panic(form in "(([A-Z][a-z]{2,5}|member|entry|key|value|[0-9]{1,2})(\\.|=|&|%[0-9a-f]{0,2})){0,30}") {
        let _ = query(&form).map(drop);
    }

    #[test]
    fn no_json_like_text_makes_the_reader_panic(text in "([\\[\\]{}:,]|\"(Text|Node|Items|TextMap|Time|Flag)\"|null|true|1|1e9|\"\\\\u00){0,40}") {
        let _ = document_from_json(&model::NODE, text.as_bytes());
    }
}
