//! What a function may answer to a proxy integration, checked strictly: anything else is a 502.
//!
//! Refuses to know the function and the request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

/// A function's answer, checked.
#[derive(Debug)]
pub(crate) struct ProxyResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why an answer is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Breaks the contract: 502.
    Contract(&'static str),
    /// `isBase64Encoded`, but the body is not: 500.
    Base64,
}

impl ProxyResponse {
    /// Reads the payload. `binary`: the client asked for a type that is binary for this API, so an encoded body is decoded.
    // AWS: the list of keys and types is recorded from the service.
    pub(crate) fn parse(payload: &[u8], binary: bool) -> Result<Self, Malformed> {
        let value: Value =
            serde_json::from_slice(payload).map_err(|_| Malformed::Contract("the payload is not JSON"))?;
        let Value::Object(members) = value else {
            return Err(Malformed::Contract("the payload is not an object"));
        };
        if members.keys().any(|key| !KNOWN.contains(&key.as_str())) {
            return Err(Malformed::Contract("the payload has a key that no proxy response has"));
        }
        let status = status(&members)?;
        let mut headers = headers(&members)?;
        if !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let encoded = match members.get("isBase64Encoded") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(encoded)) => *encoded,
            Some(_) => return Err(Malformed::Contract("isBase64Encoded is not a boolean")),
        };
        let body = match members.get("body") {
            None | Some(Value::Null) => Bytes::new(),
            Some(Value::String(text)) if encoded && binary => {
                Bytes::from(STANDARD.decode(text).map_err(|_| Malformed::Base64)?)
            }
            Some(Value::String(text)) => Bytes::from(text.clone()),
            Some(_) => return Err(Malformed::Contract("the body is not text")),
        };
        Ok(Self { status, headers, body })
    }
}

fn status(members: &Map<String, Value>) -> Result<StatusCode, Malformed> {
    let number = match members.get("statusCode") {
        None | Some(Value::Null) => Some(200),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    // An informational status would end no exchange.
    let status = number.filter(|code| (200..600).contains(code)).and_then(|code| u16::try_from(code).ok());
    status
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(Malformed::Contract("statusCode is not a status"))
}

fn headers(members: &Map<String, Value>) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::new();
    let many = object(members, "multiValueHeaders")?;
    for (name, values) in many.into_iter().flatten() {
        let Value::Array(values) = values else {
            return Err(Malformed::Contract("a value of multiValueHeaders is not a list"));
        };
        for value in values {
            let (name, value) = header_line(name, value)?;
            headers.append(name, value);
        }
    }
    let listed: Vec<HeaderName> = headers.keys().cloned().collect();
    for (name, value) in object(members, "headers")?.into_iter().flatten() {
        let (name, value) = header_line(name, value)?;
        // AWS: multiValueHeaders win; a value given in both appears once.
        if !(listed.contains(&name) && headers.get_all(&name).iter().any(|known| *known == value)) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn object<'a>(
    members: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, Malformed> {
    match members.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(entries)) => Ok(Some(entries)),
        Some(_) => Err(Malformed::Contract("headers are not an object")),
    }
}

fn header_line(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), Malformed> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(Malformed::Contract("a header's value is not text"));
        }
    };
    let illegal = Malformed::Contract("a header's name or value has illegal characters");
    let name = passed_name(name).ok_or(illegal)?;
    let value = HeaderValue::from_str(&text).map_err(|_| illegal)?;
    Ok((name, value))
}

/// The name under which a header of an integration reaches the client.
pub(crate) fn passed_name(name: &str) -> Option<HeaderName> {
    let name = HeaderName::try_from(name).ok()?;
    if REMAPPED.contains(&name.as_str()) {
        return HeaderName::try_from(format!("x-amzn-remapped-{name}")).ok();
    }
    Some(name)
}

/// All keys there are.
const KNOWN: [&str; 5] = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];

/// Names that speak for the connection or the gateway, not for the function.
// AWS: REST API Developer Guide, "Important notes", remapped to `x-amzn-Remapped-…`; the hop-by-hop ones among them must
// never pass.
const REMAPPED: [&str; 15] = [
    "authorization",
    "connection",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(payload: &str) -> Result<ProxyResponse, Malformed> {
        ProxyResponse::parse(payload.as_bytes(), false)
    }

    #[test]
    fn everything_is_optional() {
        let answer = parsed("{}").unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(answer.headers["content-type"], "application/json");
        let answer =
            parsed(r#"{"statusCode":null,"headers":null,"multiValueHeaders":null,"body":null}"#).unwrap();
        assert_eq!(answer.status.as_u16(), 200);
    }

    #[test]
    fn status_may_be_text_and_header_values_booleans_or_numbers() {
        let answer = parsed(r#"{"statusCode":"201","headers":{"A":true,"B":1,"c":"x"},"body":"b"}"#).unwrap();
        assert_eq!(answer.status.as_u16(), 201);
        assert!(answer.headers["a"] == "true" && answer.headers["b"] == "1");
        assert_eq!(&answer.body[..], b"b");
    }

    #[test]
    fn violations_of_the_contract_are_refused() {
        for payload in [
            "",
            "null",
            "[]",
            "\"text\"",
            "1",
            "{",
            r#"{"status":200}"#,
            r#"{"statusCode":200,"cookies":[]}"#,
            r#"{"statusCode":"abc"}"#,
            r#"{"statusCode":20.5}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":600}"#,
            r#"{"statusCode":-1}"#,
            r#"{"statusCode":true}"#,
            r#"{"statusCode":[]}"#,
            r#"{"headers":[]}"#,
            r#"{"headers":{"a":[]}}"#,
            r#"{"headers":{"a":null}}"#,
            r#"{"headers":{"a b":"x"}}"#,
            r#"{"headers":{"a":"x\r\ny: z"}}"#,
            r#"{"multiValueHeaders":{"a":"x"}}"#,
            r#"{"multiValueHeaders":{"a":[{}]}}"#,
            r#"{"body":{}}"#,
            r#"{"body":1}"#,
            r#"{"isBase64Encoded":"true"}"#,
        ] {
            assert!(matches!(parsed(payload), Err(Malformed::Contract(_))), "{payload}");
        }
    }

    #[test]
    fn an_encoded_body_is_decoded_only_for_binary_clients() {
        let payload = br#"{"body":"AAH/","isBase64Encoded":true}"#;
        assert_eq!(&ProxyResponse::parse(payload, true).unwrap().body[..], [0, 1, 255]);
        assert_eq!(&ProxyResponse::parse(payload, false).unwrap().body[..], b"AAH/");
        let broken = br#"{"body":"***","isBase64Encoded":true}"#;
        assert_eq!(ProxyResponse::parse(broken, true).unwrap_err(), Malformed::Base64);
    }

    #[test]
    fn headers_are_merged_and_connection_headers_renamed() {
        let answer = parsed(
            r#"{"multiValueHeaders":{"Set-Cookie":["a","b"],"X":["1"]},
                "headers":{"x":"1","set-cookie":"c","Content-Length":"5","WWW-Authenticate":"Basic"}}"#,
        )
        .unwrap();
        let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a", "b", "c"]);
        assert_eq!(answer.headers.get_all("x").iter().count(), 1);
        assert!(!answer.headers.contains_key("content-length"));
        assert_eq!(answer.headers["x-amzn-remapped-content-length"], "5");
        assert_eq!(answer.headers["x-amzn-remapped-www-authenticate"], "Basic");
    }
}
