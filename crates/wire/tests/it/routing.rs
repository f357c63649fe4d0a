//! Which operation a request means, and which requests mean none.

use bytes::Bytes;
use casemate_schema::OpMeta;
use casemate_wire::{Route, Router, WireError, WireErrorKind, encode_error};

use crate::model::{self, head};

const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

fn route(
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    scope: Option<&str>,
    body: &'static str,
) -> Result<Route, WireError> {
    Router::new(model::ALL).route(&head(method, target, headers), scope, &Bytes::from_static(body.as_bytes()))
}

fn finds(op: &'static OpMeta, request: (&str, &str), scope: Option<&str>) -> Vec<(String, String)> {
    let found = route(request, &[], scope, "").unwrap();
    assert!(std::ptr::eq(found.op, op), "{request:?} found {}", found.op.name);
    found.labels
}

fn refuses(error: Result<Route, WireError>, kind: &WireErrorKind, code: &str, status: u16) {
    let error = error.unwrap_err();
    assert_eq!(&error.kind, kind);
    let answer = error.answer();
    assert_eq!((answer.code.as_str(), answer.status), (code, status));
    assert_eq!(encode_error(&answer, error.dialect, "id").status.as_u16(), status);
}

#[test]
fn target_header_names_the_operation() {
    let found =
        route(("POST", "/"), &[JSON, ("x-amz-target", "Eleven.Put")], Some("jsoneleven"), "{}").unwrap();
    assert!(std::ptr::eq(found.op, &raw const model::ELEVEN_PUT));
    let unsigned = route(("POST", "/"), &[JSON, ("x-amz-target", "Ten_2020.Put")], None, "{}").unwrap();
    assert!(std::ptr::eq(unsigned.op, &raw const model::TEN_PUT));
}

#[test]
fn unknown_target_is_refused() {
    for target in ["Eleven.Nothing", "Nothing.Put", "Eleven", "", ".", "Eleven.put", "Eleven.Put "] {
        let found = route(("POST", "/"), &[JSON, ("x-amz-target", target)], None, "{}");
        let kind = WireErrorKind::UnknownOperation(target.trim().to_owned());
        if target.trim() == "Eleven.Put" {
            continue;
        }
        refuses(found, &kind, "UnknownOperationException", 400);
    }
}

#[test]
fn target_given_twice_is_refused() {
    let headers = [JSON, ("x-amz-target", "Eleven.Put"), ("x-amz-target", "Ten_2020.Put")];
    let kind = WireErrorKind::Malformed("X-Amz-Target must be given once");
    refuses(route(("POST", "/"), &headers, None, "{}"), &kind, "SerializationException", 400);
}

#[test]
fn target_needs_post_to_the_root_with_a_json_type() {
    let target = ("x-amz-target", "Eleven.Put");
    let kind = WireErrorKind::UnknownOperation("Eleven.Put".to_owned());
    for (request, headers) in [
        (("GET", "/"), vec![JSON, target]),
        (("POST", "/x"), vec![JSON, target]),
        (("POST", "/"), vec![target]),
        (("POST", "/"), vec![("content-type", "text/plain"), target]),
        (("POST", "/"), vec![FORM, target]),
    ] {
        refuses(route(request, &headers, None, "{}"), &kind, "UnknownOperationException", 400);
    }
}

#[test]
fn scope_of_another_service_is_refused() {
    let found = route(("POST", "/"), &[JSON, ("x-amz-target", "Eleven.Put")], Some("jsonten"), "{}");
    let kind = WireErrorKind::ForeignScope { expected: "jsoneleven" };
    refuses(found, &kind, "InvalidSignatureException", 403);
    let kind = WireErrorKind::UnknownOperation(String::new());
    let found = route(("POST", "/"), &[FORM], Some("jsonten"), "Action=Put&Version=2020-01-01");
    refuses(found, &kind, "UnknownOperationException", 400);
    refuses(
        route(("GET", "/v2/things/x"), &[], Some("rest"), ""),
        &WireErrorKind::UnknownPath,
        "UnknownOperationException",
        404,
    );
}

#[test]
fn scope_of_no_service_is_refused() {
    let kind = WireErrorKind::UnknownService("nothing".to_owned());
    refuses(route(("GET", "/"), &[], Some("nothing"), ""), &kind, "UnknownOperationException", 404);
}

#[test]
fn action_and_version_name_the_operation() {
    let body = "Action=Put&Version=2020-01-01&Text=x";
    for scope in [None, Some("query")] {
        let found = route(("POST", "/"), &[FORM], scope, body).unwrap();
        assert!(std::ptr::eq(found.op, &raw const model::QUERY_PUT));
    }
    let found = route(("GET", "/?Action=Put&Version=2020-01-01"), &[], None, "").unwrap();
    assert!(std::ptr::eq(found.op, &raw const model::QUERY_PUT));
}

#[test]
fn ambiguous_action_needs_a_scope() {
    let body = "Action=Same&Version=2020-01-01";
    let kind = WireErrorKind::Ambiguous;
    refuses(route(("POST", "/"), &[FORM], None, body), &kind, "UnknownOperationException", 400);
    let found = route(("POST", "/"), &[FORM], Some("query-two"), body).unwrap();
    assert!(std::ptr::eq(found.op, &raw const model::QUERY_TWO_SAME));
}

#[test]
fn wrong_action_or_version_is_invalid_action() {
    for (body, action, version) in [
        ("Action=Nothing&Version=2020-01-01", "Nothing", "2020-01-01"),
        ("Action=Put&Version=1999-01-01", "Put", "1999-01-01"),
        ("Action=Put", "Put", "NO_VERSION_SPECIFIED"),
    ] {
        let kind = WireErrorKind::InvalidAction { action: action.to_owned(), version: version.to_owned() };
        refuses(route(("POST", "/"), &[FORM], Some("query"), body), &kind, "InvalidAction", 400);
    }
    let kind = WireErrorKind::MissingAction;
    refuses(route(("POST", "/"), &[FORM], Some("query"), "Version=2020-01-01"), &kind, "MissingAction", 400);
}

#[test]
fn unreadable_forms_are_refused() {
    for (headers, body, why) in [
        (&[FORM], "Action=Put&Version=2020-01-01&Text=%", "the parameters cannot be decoded"),
        (&[FORM], "Action=Put&Version=2020-01-01&Text=%ff", "the parameters cannot be decoded"),
        (&[FORM], "Action=Put&Action=Same&Version=2020-01-01", "a parameter occurs twice"),
        (&[JSON], "Action=Put&Version=2020-01-01", "the body must be application/x-www-form-urlencoded"),
    ] {
        let kind = WireErrorKind::Malformed(why);
        refuses(route(("POST", "/"), headers, Some("query"), body), &kind, "MalformedQueryString", 400);
    }
    let many = "a&".repeat(10_001) + "Action=Put";
    let router = Router::new(model::ALL);
    let found = router.route(&head("POST", "/", &[FORM]), Some("query"), &Bytes::from(many));
    let kind = WireErrorKind::Malformed("too many parameters");
    refuses(found, &kind, "MalformedQueryString", 400);
}

#[test]
fn action_in_query_and_body_is_refused_as_twice() {
    let found = route(("POST", "/?Action=Same"), &[FORM], Some("query"), "Action=Put&Version=2020-01-01");
    refuses(found, &WireErrorKind::Malformed("a parameter occurs twice"), "MalformedQueryString", 400);
}

#[test]
fn literal_beats_label_and_falls_back_to_it() {
    assert!(finds(&model::REST_SPECIAL, ("GET", "/v1/things/special"), Some("rest")).is_empty());
    let labels = finds(&model::REST_SPECIAL_DEEP, ("GET", "/v1/things/special/deep"), Some("rest"));
    assert_eq!(labels, [("Path".to_owned(), "special".to_owned())]);
}

#[test]
fn labels_are_decoded_after_splitting() {
    let labels = finds(&model::REST_READ, ("GET", "/v1/things/a%2Fb%20+c"), Some("rest"));
    assert_eq!(labels, [("Path".to_owned(), "a/b +c".to_owned())]);
}

#[test]
fn greedy_label_takes_the_rest() {
    let labels = finds(&model::REST_UPLOAD, ("POST", "/v1/blobs/a/b%2Fc/d/"), Some("rest"));
    assert_eq!(labels, [("Path".to_owned(), "a/b/c/d/".to_owned())]);
}

#[test]
fn literal_query_chooses_and_trailing_slash_does_not_count() {
    finds(&model::REST_IMPORT, ("POST", "/v1/things?x=1&mode=import"), Some("rest"));
    finds(&model::REST_CREATE, ("POST", "/v1/things?mode=other"), Some("rest"));
    finds(&model::REST_CREATE, ("POST", "/v1/things/"), Some("rest"));
    finds(&model::REST_LIST, ("GET", "/v1/things"), Some("rest"));
}

#[test]
fn path_of_two_services_needs_a_scope() {
    let ambiguous = route(("GET", "/v1/things/x"), &[], None, "");
    refuses(ambiguous, &WireErrorKind::Ambiguous, "UnknownOperationException", 400);
    finds(&model::REST_TWO_READ, ("GET", "/v1/things/x"), Some("rest-two"));
    finds(&model::REST_TWO_OWN, ("GET", "/v2/things/x"), None);
}

#[test]
fn paths_of_no_operation_are_refused() {
    for request in [
        ("GET", "/"),
        ("GET", "/v1"),
        ("DELETE", "/v1/things"),
        ("GET", "/v1//things"),
        ("GET", "//v1/things"),
        ("GET", "/v1/things//deep"),
        ("GET", "/v1/%74hings"),
        ("GET", "/v1/things/x/y"),
        ("GET", "/v1/x/../things/special"),
        ("GET", "/v1/things/."),
        ("GET", "/v1/things/.."),
        ("POST", "/v1/blobs/a/../b"),
        ("POST", "/v1/blobs/a/./b"),
        ("POST", "/v1/blobs/a//b"),
        ("GET", "//"),
        ("POST", "/v1/blobs/"),
    ] {
        let found = route(request, &[], Some("rest"), "");
        refuses(found, &WireErrorKind::UnknownPath, "UnknownOperationException", 404);
    }
    for target in ["/v1/things/%", "/v1/things/%zz", "/v1/things/%ff"] {
        let found = route(("GET", target), &[], Some("rest"), "");
        let kind = WireErrorKind::Malformed("the path cannot be decoded");
        refuses(found, &kind, "SerializationException", 400);
    }
}

#[test]
fn form_to_a_path_is_not_an_action() {
    let found = route(("POST", "/v1/things"), &[FORM], None, "Action=Put&Version=2020-01-01").unwrap();
    assert!(std::ptr::eq(found.op, &raw const model::REST_CREATE));
}

#[test]
fn head_alone_finds_all_but_forms() {
    let router = Router::new(model::ALL);
    let by_path = router.route_head(&head("POST", "/v1/things", &[]), Some("rest")).unwrap();
    assert!(std::ptr::eq(by_path.unwrap().op, &raw const model::REST_CREATE));
    assert!(router.route_head(&head("POST", "/", &[FORM]), Some("query")).unwrap().is_none());
}
