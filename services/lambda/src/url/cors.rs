//! What browsers are told about other origins, by a URL's rules. Decides nothing about who may call.
//!
//! AWS: Lambda developer guide, "Cross-origin resource sharing (CORS)": a URL's rules replace what the function says.

use casemate_kernel::Outgoing;
use casemate_wire::Head;
use hyper::{HeaderMap, Method, StatusCode, header};

use super::put;
use crate::function_url::CorsRules;

/// Does a browser ask before it sends a request?
pub(super) fn is_preflight(head: &Head) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to it; [`decorate`] adds what every answer has.
pub(super) fn preflight(rules: &CorsRules, head: &Head) -> Outgoing {
    let mut headers = HeaderMap::new();
    if allowed_origin(rules, head).is_some() {
        for (name, values) in [
            ("access-control-allow-methods", &rules.allow_methods),
            ("access-control-allow-headers", &rules.allow_headers),
        ] {
            if let Some(values) = values {
                put(&mut headers, name, &values.join(","));
            }
        }
        if let Some(max_age_s) = rules.max_age_s {
            put(&mut headers, "access-control-max-age", &max_age_s.to_string());
        }
    }
    Outgoing::of(StatusCode::OK, headers, "")
}

/// Puts the rules' headers in the place of the function's.
pub(super) fn decorate(rules: &CorsRules, head: &Head, headers: &mut HeaderMap) {
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        headers.remove(name);
    }
    let Some(origin) = allowed_origin(rules, head) else { return };
    put(headers, "access-control-allow-origin", origin);
    headers.append(header::VARY, header::HeaderValue::from_static("Origin"));
    if rules.allow_credentials == Some(true) {
        put(headers, "access-control-allow-credentials", "true");
    }
    if let Some(exposed) = &rules.expose_headers {
        put(headers, "access-control-expose-headers", &exposed.join(","));
    }
}

/// What to say of the request's origin, if it may know the answer.
fn allowed_origin<'a>(rules: &CorsRules, head: &'a Head) -> Option<&'a str> {
    let origin = head.header("origin")?;
    let mut listed = rules.allow_origins.iter().flatten();
    if rules.allow_origins.iter().flatten().any(|known| known == "*") {
        return Some("*");
    }
    listed.any(|known| known.eq_ignore_ascii_case(origin)).then_some(origin)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn head(origin: &'static str) -> Head {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        Head::new(Method::OPTIONS, "/".parse().unwrap(), headers)
    }

    fn rules(origins: &[&str]) -> CorsRules {
        CorsRules {
            allow_credentials: Some(true),
            allow_methods: Some(vec!["GET".to_owned(), "PUT".to_owned()]),
            allow_origins: Some(origins.iter().map(|origin| (*origin).to_owned()).collect()),
            max_age_s: Some(60),
            ..CorsRules::default()
        }
    }

    #[test]
    fn listed_origins_are_named_and_others_learn_nothing() {
        let rules = rules(&["https://a.example"]);
        let answer = preflight(&rules, &head("https://a.example"));
        assert_eq!(answer.headers["access-control-allow-methods"], "GET,PUT");
        assert!(preflight(&rules, &head("https://b.example")).headers.is_empty());
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        decorate(&rules, &head("https://b.example"), &mut headers);
        assert!(headers.is_empty(), "the function's own headers do not count");
        decorate(&rules, &head("https://a.example"), &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
        assert_eq!(headers["access-control-allow-credentials"], "true");
    }

    #[test]
    fn a_star_is_said_as_a_star() {
        let mut headers = HeaderMap::new();
        decorate(&rules(&["*"]), &head("https://b.example"), &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "*");
    }
}
