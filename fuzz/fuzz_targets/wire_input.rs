//! Requests as strangers send them, of every protocol: routed and decoded, or an error that can be spelt; never a panic. What
//! was decoded can be checked against its schema, and has no member that the schema does not have.

#![no_main]

#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/wire/tests/it/model.rs"]
mod model;

use bytes::Bytes;
use casemate_schema::check;
use casemate_wire::{Dialect, Head, Router, decode, encode_error};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use libfuzzer_sys::fuzz_target;

const CONTENT_TYPES: [&str; 5] = [
    "application/x-amz-json-1.0",
    "application/x-amz-json-1.1",
    "application/x-www-form-urlencoded",
    "application/json",
    "application/octet-stream",
];
const TARGETS: [&str; 4] = ["Ten_2020.Put", "Eleven.Put", "Eleven.None", "Eleven.Nothing"];
const SCOPES: [Option<&str>; 7] = [
    None,
    Some("jsonten"),
    Some("jsoneleven"),
    Some("query"),
    Some("query-two"),
    Some("rest"),
    Some("rest-two"),
];

/// Header names that the models bind, and others.
const NAMES: [&str; 6] = ["x-mode", "x-modes", "x-changed", "x-tag-a", "x-tag-", "content-encoding"];

fn head(choice: u8, target: &str, value: &[u8]) -> Option<Head> {
    let choice = usize::from(choice);
    let method = [Method::POST, Method::GET, Method::PUT, Method::DELETE][choice % 4].clone();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(CONTENT_TYPES[choice / 4 % CONTENT_TYPES.len()]));
    if choice / 20 % 2 == 0 {
        headers.insert("x-amz-target", HeaderValue::from_static(TARGETS[choice / 40 % TARGETS.len()]));
    }
    let name = HeaderName::from_static(NAMES[choice % NAMES.len()]);
    headers.append(name, HeaderValue::from_bytes(value).ok()?);
    Some(Head::new(method, target.parse::<Uri>().ok()?, headers))
}

fuzz_target!(|input: (u8, u8, &str, &[u8], &[u8])| {
    let (choice, scope, target, value, body) = input;
    // Most targets that parse begin so; the rest of the text is the model's business.
    for target in [target.to_owned(), format!("/v1/things/{target}")] {
        let Some(head) = head(choice, &target, value) else { continue };
        let body = Bytes::copy_from_slice(body);
        let router = Router::new(model::ALL);
        let scope = SCOPES[usize::from(scope) % SCOPES.len()];
        let _ = router.route_head(&head, scope);
        let route = match router.route(&head, scope, &body) {
            Ok(route) => route,
            Err(error) => {
                let _ = encode_error(&error.answer(), error.dialect, "id");
                continue;
            }
        };
        match decode(&route, &head, &body) {
            Ok(document) => {
                let known = route.op.input.members();
                for (name, _) in document.entries() {
                    assert!(known.iter().any(|member| member.name == name), "{name}");
                }
                let _ = check(route.op.input, &document);
            }
            Err(error) => {
                let service = route.op.service;
                let _ = encode_error(&error.answer(service.protocol), Dialect::from(service), "id");
            }
        }
    }
});
