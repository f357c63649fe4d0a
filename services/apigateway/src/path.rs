//! Request paths: one canonical spelling per resource.
//!
//! `/x`, `/x/`, `//x` and `/%78` are the same resource for routing and for policies, so that no spelling dodges a
//! statement; `%2f` inside a segment is never a separator. Dot segments and broken escapes are no path at all.
//! Refuses to know which paths exist.

/// A request path, cut into segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestPath {
    /// As sent, empty ones included, without the leading slash.
    raw: Vec<String>,
    /// Positions in `raw` and canonical spellings of the segments that are not empty.
    segments: Vec<(usize, String)>,
}

impl RequestPath {
    /// Cuts a raw path (without the stage). `None`: dot segments, broken percent escapes.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let raw: Vec<String> = inner.split('/').map(str::to_owned).collect();
        let mut segments = Vec::new();
        for (at, segment) in raw.iter().enumerate().filter(|(_, segment)| !segment.is_empty()) {
            let canonical = canonical_segment(segment)?;
            if matches!(canonical.as_str(), "." | "..") {
                return None;
            }
            segments.push((at, canonical));
        }
        Some(Self { raw, segments })
    }

    /// The canonical spelling of a segment: what literals are compared with.
    pub(crate) fn segment(&self, index: usize) -> Option<&str> {
        self.segments.get(index).map(|(_, segment)| segment.as_str())
    }

    /// A segment as sent.
    // AWS: proxy events carry path parameters undecoded (recorded).
    pub(crate) fn raw_segment(&self, index: usize) -> Option<&str> {
        let (at, _) = self.segments.get(index)?;
        self.raw.get(*at).map(String::as_str)
    }

    /// Everything from a segment on, as sent, without trailing slashes: the value of a greedy parameter.
    // AWS: inside a greedy part `a//b` stays (recorded).
    pub(crate) fn raw_rest(&self, index: usize) -> Option<String> {
        let (at, _) = self.segments.get(index)?;
        let rest = self.raw.get(*at..)?.join("/");
        Some(rest.trim_end_matches('/').to_owned())
    }

    /// The canonical path without leading slash, as policies see it.
    pub(crate) fn canonical(&self) -> String {
        let segments: Vec<&str> = self.segments.iter().map(|(_, segment)| segment.as_str()).collect();
        segments.join("/")
    }
}

/// Decodes what needs no escape (RFC 3986 unreserved), writes other escapes in upper case.
fn canonical_segment(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (hex_value(bytes.next()?)?, hex_value(bytes.next()?)?);
        let decoded = high << 4 | low;
        if decoded.is_ascii_alphanumeric() || matches!(decoded, b'-' | b'.' | b'_' | b'~') {
            out.push(decoded);
        } else {
            out.extend_from_slice(format!("%{decoded:02X}").as_bytes());
        }
    }
    String::from_utf8(out).ok()
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(path: &str) -> Option<String> {
        RequestPath::parse(path).map(|path| path.canonical())
    }

    #[test]
    fn every_spelling_of_a_path_has_one_canonical_form() {
        for path in ["/x", "/x/", "//x", "/x//", "///x///", "/%78", "x"] {
            assert_eq!(canonical(path).as_deref(), Some("x"), "{path}");
        }
        for path in ["/a/b", "/a//b", "//a/b/", "/%61/%62"] {
            assert_eq!(canonical(path).as_deref(), Some("a/b"), "{path}");
        }
        assert_eq!(canonical("/").as_deref(), Some(""));
    }

    #[test]
    fn an_escaped_slash_is_no_separator_and_has_one_spelling() {
        assert_eq!(canonical("/a%2fb").as_deref(), Some("a%2Fb"));
        assert_eq!(canonical("/a%2Fb").as_deref(), Some("a%2Fb"));
        assert_eq!(RequestPath::parse("/a%2fb").unwrap().segments.len(), 1);
        assert_eq!(RequestPath::parse("/a%2fb").unwrap().raw_segment(0), Some("a%2fb"));
    }

    #[test]
    fn dot_segments_and_broken_escapes_are_no_path() {
        for path in ["/.", "/..", "/a/../b", "/a/./b", "/%2e%2e/b", "/%2E/b", "/.%2e", "/a%", "/a%4", "/a%zz"]
        {
            assert_eq!(canonical(path), None, "{path}");
        }
        assert!(canonical("/...").is_some() && canonical("/.a").is_some());
    }

    #[test]
    fn the_greedy_rest_keeps_its_inner_slashes() {
        let path = RequestPath::parse("/files//a//b/").unwrap();
        assert_eq!(path.raw_rest(1).as_deref(), Some("a//b"));
        assert_eq!(path.canonical(), "files/a/b");
        assert_eq!(path.raw_rest(9), None);
    }
}
