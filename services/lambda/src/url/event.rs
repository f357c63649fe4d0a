//! The event a function gets from its URL: payload format 2.0.
//!
//! Facts come from the socket and the platform; a header never becomes one. AWS: Lambda developer guide, "Invoking Lambda
//! function URLs", request payload format.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_kernel::{Caller, Exchange};
use casemate_wire::Head;
use hyper::header::{AUTHORIZATION, COOKIE};
use serde_json::{Map, Value, json};

use crate::function_url::FunctionUrl;

/// Headers that are the platform's to set or the signature's.
const NOT_PASSED: [&str; 5] =
    ["x-amz-security-token", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "cookie"];

/// Parameters of presigned addresses. Compared in lower case: what nearly is a signature is none of the function's either.
const SIGNATURE_PARAMETERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// The event of this request.
pub(super) fn of(exchange: &Exchange, url: &FunctionUrl, caller: &Caller) -> Value {
    let head = exchange.head();
    let mut event = Map::new();
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set("version", "2.0".into());
    set("routeKey", "$default".into());
    set("rawPath", head.path().into());
    let raw_query = unsigned(head.query());
    set("rawQueryString", raw_query.as_str().into());
    let cookies = cookies(head);
    if !cookies.is_empty() {
        set("cookies", json!(cookies));
    }
    set("headers", json!(headers(exchange)));
    let query = query(&raw_query);
    if !query.is_empty() {
        set("queryStringParameters", json!(query));
    }
    set("requestContext", context(exchange, url, caller));
    let body = exchange.body();
    let text = std::str::from_utf8(body).ok().filter(|_| is_text(head));
    if !body.is_empty() {
        set("body", text.map_or_else(|| STANDARD.encode(body).into(), Value::from));
    }
    set("isBase64Encoded", (!body.is_empty() && text.is_none()).into());
    Value::Object(event)
}

fn context(exchange: &Exchange, url: &FunctionUrl, caller: &Caller) -> Value {
    let head = exchange.head();
    let host = head.host().unwrap_or_default();
    let domain = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let civil = exchange.now.civil();
    let account =
        caller.account().map_or_else(|| "anonymous".to_owned(), |account| account.as_str().to_owned());
    let mut context = json!({
        "accountId": account,
        "apiId": url.id,
        "domainName": domain,
        "domainPrefix": url.id,
        "http": {
            "method": head.method.as_str(),
            "path": head.path(),
            "protocol": "HTTP/1.1",
            "sourceIp": source_ip(exchange),
            "userAgent": head.header("user-agent").unwrap_or_default(),
        },
        "requestId": exchange.request_id.as_str(),
        "routeKey": "$default",
        "stage": "$default",
        "time": format!(
            "{:02}/{}/{}:{:02}:{:02}:{:02} +0000",
            civil.day, civil.month_name(), civil.year, civil.hour, civil.minute, civil.second
        ),
        "timeEpoch": exchange.now.millis(),
    });
    if !matches!(caller, Caller::Anonymous)
        && let Some(context) = context.as_object_mut()
    {
        let identity = json!({
            "accountId": account,
            "callerId": caller.user_id(),
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": caller.arn_text(),
            "userId": caller.user_id(),
        });
        context.insert("authorizer".to_owned(), json!({ "iam": identity }));
    }
    context
}

fn source_ip(exchange: &Exchange) -> String {
    exchange.peer().source_ip().map_or_else(String::new, |ip| ip.to_canonical().to_string())
}

/// By name; several values of one name are joined.
fn headers(exchange: &Exchange) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &exchange.head().headers {
        let signature = name == AUTHORIZATION && value.as_bytes().starts_with(b"AWS4-");
        if signature || NOT_PASSED.contains(&name.as_str()) {
            continue;
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        all.entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push(',');
                known.push_str(&text);
            })
            .or_insert_with(|| text.to_string());
    }
    let secure = exchange.peer().is_secure();
    let host = exchange.head().host().unwrap_or_default();
    let port = host.rsplit_once(':').map_or(if secure { "443" } else { "80" }, |(_, port)| port);
    all.insert("x-forwarded-for".to_owned(), source_ip(exchange));
    all.insert("x-forwarded-port".to_owned(), port.to_owned());
    all.insert("x-forwarded-proto".to_owned(), if secure { "https" } else { "http" }.to_owned());
    all
}

fn cookies(head: &Head) -> Vec<String> {
    let lines = head.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .map(|one| one.trim().to_owned())
        .filter(|one| !one.is_empty())
        .collect()
}

/// The query without what signs it: a function that learnt it could repeat the request as its caller.
fn unsigned(raw: &str) -> String {
    let kept = raw.split('&').filter(|pair| {
        let name = decoded(pair.split_once('=').map_or(pair, |(name, _)| name));
        !SIGNATURE_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
    });
    kept.collect::<Vec<_>>().join("&")
}

/// Decoded; several values of one name are joined.
fn query(raw: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value);
        all.entry(decoded(name))
            .and_modify(|known| {
                known.push(',');
                known.push_str(&value);
            })
            .or_insert(value);
    }
    all
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let escaped =
            (*first == b'%').then(|| rest.split_at_checked(2)).flatten().and_then(|(digits, after)| {
                let digits = std::str::from_utf8(digits).ok()?;
                let byte = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(digits)?;
                Some((u8::from_str_radix(byte, 16).ok()?, after))
            });
        match escaped {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => bytes.push(if *first == b'+' { b' ' } else { *first }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Does a body of this request go into the event as text?
// AWS: text and the usual forms of JSON, XML and JavaScript; everything else in base64 (observed, forms included).
fn is_text(head: &Head) -> bool {
    let Some(kind) = head.media_type() else { return false };
    kind.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, Method, header::HeaderValue};

    use super::*;

    #[test]
    fn values_of_one_name_are_joined_and_decoded() {
        let found = query("a=1&b=x%20y+z&a=%32&c&d=%zz");
        let expected = [("a", "1,2"), ("b", "x y z"), ("c", ""), ("d", "%zz")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn signatures_are_not_passed() {
        let raw = "a=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=60&b=%20\
            &X-Amz-SignedHeaders=host&X-Amz-Signature=s&X-Amz-Security-Token=t&x-amz%2dsignature=s&X-Amz-Other=o&a";
        assert_eq!(unsigned(raw), "a=1&b=%20&X-Amz-Other=o&a");
        assert_eq!((unsigned(""), unsigned("&&a")), (String::new(), "&&a".to_owned()));
    }

    #[test]
    fn bodies_are_text_by_their_type() {
        let head = |kind: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert("content-type", HeaderValue::from_static(kind));
            }
            headers.append("cookie", HeaderValue::from_static("a=1; b=2"));
            Head::new(Method::POST, "/".parse().unwrap(), headers)
        };
        for kind in ["text/plain", "application/json; charset=utf-8", "application/problem+json"] {
            assert!(is_text(&head(Some(kind))), "{kind}");
        }
        for kind in ["image/png", "application/octet-stream", "application/x-www-form-urlencoded"] {
            assert!(!is_text(&head(Some(kind))), "{kind}");
        }
        assert!(!is_text(&head(None)));
        assert_eq!(cookies(&head(None)), ["a=1", "b=2"]);
    }
}
