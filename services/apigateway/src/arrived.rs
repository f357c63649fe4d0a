//! One request to a deployed API, with everything that events, templates and policies say about it. Made once, read only.
//!
//! Facts come from the socket and the gateway; a header never becomes one (`sourceIp` is the peer's address, whatever
//! `X-Forwarded-For` claims).

use std::collections::BTreeMap;

use bytes::Bytes;
use casemate_names::{Arn, Scope, Timestamp};
use http::{HeaderMap, header};

use crate::template::Values;

/// A request to a stage.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Whose API it is.
    pub(crate) scope: Scope,
    pub(crate) api_id: String,
    pub(crate) stage: String,
    pub(crate) deployment_id: String,
    pub(crate) stage_variables: BTreeMap<String, String>,
    pub(crate) method: String,
    /// As sent, without the stage; `/` for the root.
    pub(crate) path: String,
    /// One spelling for all, without leading slash: what policies see.
    pub(crate) canonical_path: String,
    /// Decoded, in order.
    pub(crate) query: Vec<(String, String)>,
    /// In order, with the names events show.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) domain_name: String,
    pub(crate) source_ip: String,
    /// `https` or `http`, and the port it came to.
    pub(crate) transport: (&'static str, String),
    pub(crate) user_agent: Option<String>,
    pub(crate) protocol: &'static str,
    pub(crate) request_id: String,
    pub(crate) extended_request_id: String,
    pub(crate) trace_id: String,
    pub(crate) now: Timestamp,
    /// Set by routing.
    pub(crate) resource_id: String,
    /// The resource's path with its `{…}`.
    pub(crate) resource_path: String,
    pub(crate) path_parameters: BTreeMap<String, String>,
}

impl Arrived {
    /// What policies are matched against, and authorizers are told.
    // AWS: the actual path, not the template; the root is `…/GET/`.
    pub(crate) fn method_arn(&self) -> Arn {
        let resource = format!("{}/{}/{}/{}", self.api_id, self.stage, self.method, self.canonical_path);
        Arn::regional(&self.scope, "execute-api", &resource)
    }

    /// As whom the gateway calls the function: what its resource policy sees in `aws:SourceArn`.
    // AWS: the resource's path with its parameters as `*`.
    pub(crate) fn source_arn(&self) -> Arn {
        let parts = self.resource_path.split('/').filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.map(|part| if part.starts_with('{') { "*" } else { part }).collect();
        let resource = format!("{}/{}/{}/{}", self.api_id, self.stage, self.method, parts.join("/"));
        Arn::regional(&self.scope, "execute-api", &resource)
    }

    /// Media type of the body; a missing one counts as JSON.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or("application/json");
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The last value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Is a media type among the API's binary ones?
    pub(crate) fn is_binary(binary_media_types: &[String], media_type: &str) -> bool {
        binary_media_types.iter().any(|binary| {
            binary == "*/*"
                || binary.eq_ignore_ascii_case(media_type)
                || binary.strip_suffix("/*").is_some_and(|kind| {
                    media_type.split('/').next().is_some_and(|given| given.eq_ignore_ascii_case(kind))
                })
        })
    }

    /// For mappings, identity sources and gateway responses.
    pub(crate) fn values(&self) -> Values {
        let mut context = BTreeMap::new();
        let mut set = |name: &str, value: &str| context.insert(name.to_owned(), value.to_owned());
        set("accountId", self.scope.account.as_str());
        set("apiId", &self.api_id);
        set("deploymentId", &self.deployment_id);
        set("domainName", &self.domain_name);
        set("extendedRequestId", &self.extended_request_id);
        set("httpMethod", &self.method);
        set("identity.sourceIp", &self.source_ip);
        set("identity.userAgent", self.user_agent.as_deref().unwrap_or_default());
        set("path", &self.staged_path());
        set("protocol", self.protocol);
        set("requestId", &self.request_id);
        set("requestTime", &self.request_time());
        set("requestTimeEpoch", &self.now.millis().to_string());
        set("resourceId", &self.resource_id);
        set("resourcePath", &self.resource_path);
        set("stage", &self.stage);
        Values {
            context,
            stage_variables: self.stage_variables.clone(),
            path: self.path_parameters.clone(),
            query: self.query.iter().cloned().collect(),
            headers: self.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect(),
        }
    }

    /// The path with the stage.
    pub(crate) fn staged_path(&self) -> String {
        format!("/{}{}", self.stage, self.path)
    }

    /// Common log format.
    pub(crate) fn request_time(&self) -> String {
        let c = self.now.civil();
        let (day, month) = (c.day, c.month_name());
        format!("{day:02}/{month}/{}:{:02}:{:02}:{:02} +0000", c.year, c.hour, c.minute, c.second)
    }
}

/// The headers as events show them.
///
/// DIVERGES: names come lower-cased from the listener; those below are written in their usual spelling, all others stay
/// in lower case, where API Gateway keeps the client's spelling.
// AWS: Content-Length and Connection are dropped (recorded); a signature's Authorization header is not passed on.
pub(crate) fn shown_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut shown = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let signature = name == header::AUTHORIZATION && text.starts_with("AWS4-");
        // DIVERGES: a session token is worth nothing to an integration and much to a log; it is not passed on.
        if DROPPED.contains(&name.as_str()) || signature {
            continue;
        }
        let usual = USUAL.iter().find(|usual| usual.eq_ignore_ascii_case(name.as_str()));
        shown.push((usual.map_or_else(|| name.as_str().to_owned(), |usual| (*usual).to_owned()), text));
    }
    shown
}

/// Decodes a query string; `+` is a space. Parts of a presigned request's signature are left out.
pub(crate) fn decoded_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    });
    let secret = |name: &str| {
        ["X-Amz-Signature", "X-Amz-Security-Token"].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    pairs.filter(|(name, _)| !secret(name)).collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|d| char::from(*d).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _, _) => {
                out.push(b' ');
                rest = after;
            }
            (byte, _, _) => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

const DROPPED: [&str; 8] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "x-amz-security-token",
    // The gateway says these itself. DIVERGES: API Gateway adds to a forwarding header that the client sent; here nothing in
    // it comes from the client.
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

const USUAL: [&str; 18] = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "User-Agent",
    "X-Amz-Date",
    "X-Api-Key",
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn queries_are_decoded_once() {
        let pairs = decoded_query("a=1+2&b=%41%2541&c&&d=%zz&e=x=y&X-Amz-Signature=s");
        let expected = [("a", "1 2"), ("b", "A%41"), ("c", ""), ("d", "%zz"), ("e", "x=y")];
        assert_eq!(pairs, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn headers_of_the_connection_and_of_signatures_are_not_shown() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "AWS4-HMAC-SHA256 Credential=x"),
            ("content-length", "1"),
            ("connection", "close"),
            ("x-amz-security-token", "t"),
            ("user-agent", "u"),
            ("x-custom", "c"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let expected = [("User-Agent", "u"), ("x-custom", "c")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(shown_headers(&headers), expected);
    }

    #[test]
    fn binary_media_types_may_be_families() {
        let types = ["image/*".to_owned(), "application/pdf".to_owned()];
        assert!(Arrived::is_binary(&types, "image/png") && Arrived::is_binary(&types, "application/pdf"));
        assert!(!Arrived::is_binary(&types, "imagex/png") && !Arrived::is_binary(&types, "text/plain"));
        assert!(Arrived::is_binary(&["*/*".to_owned()], "text/plain"));
    }
}
