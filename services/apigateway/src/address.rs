//! Which API and stage a request is for: by host, or by the path aliases that test suites use. All forms lead into the same
//! pipeline.
//!
//! Refuses to know which APIs exist.

use casemate_wire::Head;

/// Where a request is addressed to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    pub(crate) api_id: &'a str,
    /// Empty when the path has none.
    pub(crate) stage: &'a str,
    /// The raw path behind the stage; begins with `/` unless it is empty.
    pub(crate) path: &'a str,
}

impl<'a> Address<'a> {
    /// Reads host and path; `None` when the request is not for a deployed API.
    pub(crate) fn of(head: &'a Head) -> Option<Self> {
        if let Some(api_id) = head.host().and_then(api_of_host) {
            let (stage, path) = cut(head.path().strip_prefix('/').unwrap_or_default());
            return Some(Self { api_id, stage, path });
        }
        let path = head.path();
        if let Some(rest) = path.strip_prefix("/_aws/execute-api/") {
            let (api_id, rest) = cut(rest);
            let (stage, path) = cut(rest.strip_prefix('/').unwrap_or_default());
            return is_api_id(api_id).then_some(Self { api_id, stage, path });
        }
        // LocalStack's older alias: `/restapis/{api}/{stage}/_user_request_/…`.
        let rest = path.strip_prefix("/restapis/")?;
        let (api_id, rest) = cut(rest);
        let (stage, rest) = cut(rest.strip_prefix('/')?);
        let path = rest.strip_prefix("/_user_request_").filter(|p| p.is_empty() || p.starts_with('/'))?;
        is_api_id(api_id).then_some(Self { api_id, stage, path })
    }
}

/// `{api}.execute-api.…`
fn api_of_host(host: &str) -> Option<&str> {
    let (api_id, rest) = host.split_once('.')?;
    (is_api_id(api_id) && rest.starts_with("execute-api.")).then_some(api_id)
}

/// AWS: ten lower-case letters and digits.
fn is_api_id(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The text up to the next slash, and the rest with it.
fn cut(text: &str) -> (&str, &str) {
    text.find('/').and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, header};

    use super::*;

    fn head(host: &str, target: &str) -> Head {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        Head::new(Method::GET, target.parse().unwrap(), headers)
    }

    #[test]
    fn hosts_and_aliases_name_api_stage_and_path() {
        for (host, target) in [
            ("abcdefghi1.execute-api.us-east-1.amazonaws.com", "/prod/a/b?x=1"),
            ("abcdefghi1.execute-api.localhost:4566", "/prod/a/b"),
            ("localhost:4566", "/_aws/execute-api/abcdefghi1/prod/a/b"),
            ("localhost:4566", "/restapis/abcdefghi1/prod/_user_request_/a/b"),
        ] {
            let head = head(host, target);
            let address = Address::of(&head).unwrap();
            assert_eq!(
                (address.api_id, address.stage, address.path),
                ("abcdefghi1", "prod", "/a/b"),
                "{host}{target}"
            );
        }
        let head = head("abcdefghi1.execute-api.localhost", "/");
        assert_eq!(Address::of(&head), Some(Address { api_id: "abcdefghi1", stage: "", path: "" }));
    }

    #[test]
    fn everything_else_is_for_somebody_else() {
        for (host, target) in [
            ("localhost:4566", "/restapis/abcdefghi1/resources/abc123"),
            ("localhost:4566", "/restapis/abcdefghi1/prod/_user_request_x/a"),
            ("localhost:4566", "/restapis/abcdefghi1"),
            ("localhost:4566", "/"),
            ("localhost:4566", "/_aws/execute-api/ABC/prod"),
            ("execute-api.localhost", "/prod"),
            ("abc.execute-api.localhost", "/prod"),
            ("abcdefghi1.s3.localhost", "/prod"),
            ("apigateway.us-east-1.amazonaws.com", "/restapis"),
        ] {
            assert_eq!(Address::of(&head(host, target)), None, "{host}{target}");
        }
    }
}
