//! The head of a request as it arrived: method, raw target, headers. Knows no protocol.

use http::{HeaderMap, Method, Uri};

/// The head of a request. The target is kept exactly as sent (nothing decoded, nothing normalised), because both
/// routing and signatures depend on its bytes.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The raw target: path and query, with the authority where HTTP/2 or an absolute form gave one.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
}

impl Head {
    /// Puts a head together.
    pub fn new(method: Method, uri: Uri, headers: HeaderMap) -> Self {
        Self { method, uri, headers }
    }

    /// The raw path, `/` when there is none.
    pub fn path(&self) -> &str {
        let path = self.uri.path();
        if path.is_empty() { "/" } else { path }
    }

    /// The raw query without `?`; empty when there is none.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or("")
    }

    /// The only value of a header. `None` when it is missing, repeated, or not visible ASCII: whoever decides by a
    /// header must not be handed one of several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }

    /// The host the client asked for: `:authority` of HTTP/2, else the `Host` header, port included.
    pub fn host(&self) -> Option<&str> {
        self.uri.authority().map(http::uri::Authority::as_str).or_else(|| self.header("host"))
    }

    /// The media type without parameters, lower case; `None` when there is no `Content-Type`.
    pub fn media_type(&self) -> Option<String> {
        let value = self.headers.get(http::header::CONTENT_TYPE)?.to_str().unwrap_or("invalid");
        Some(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
    }
}

impl From<http::request::Parts> for Head {
    fn from(parts: http::request::Parts) -> Self {
        Self { method: parts.method, uri: parts.uri, headers: parts.headers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&'static str, &'static str)]) -> Head {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        Head::new(Method::GET, Uri::from_static("/a%2Fb?x=1&y"), map)
    }

    #[test]
    fn target_is_kept_raw() {
        let head = head(&[]);
        assert_eq!((head.path(), head.query()), ("/a%2Fb", "x=1&y"));
    }

    #[test]
    fn repeated_header_is_no_header() {
        assert_eq!(head(&[("x-amz-target", "a"), ("x-amz-target", "b")]).header("x-amz-target"), None);
        assert_eq!(head(&[("x-amz-target", "a")]).header("X-Amz-Target"), Some("a"));
    }

    #[test]
    fn media_type_has_no_parameters() {
        let head = head(&[("content-type", "Application/X-Amz-JSON-1.1; charset=utf-8")]);
        assert_eq!(head.media_type().as_deref(), Some("application/x-amz-json-1.1"));
    }
}
