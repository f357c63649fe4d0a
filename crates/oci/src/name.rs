//! What images are called: `REPOSITORY:TAG` by an operator, `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@DIGEST` by who uses one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, OciError};

/// Bytes of a repository's name.
// OCI: distribution specification, host and name together 255 at most; ECR's limit is 256.
const REPOSITORY_BYTES_MAX: usize = 255;
/// Bytes of a tag.
// OCI: distribution specification, `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
const TAG_BYTES_MAX: usize = 128;

/// `REPOSITORY:TAG`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name {
    /// Lower-case path.
    pub repository: String,
    /// Which of its images.
    pub tag: String,
}

/// Which image of a repository is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// The one that has the tag now.
    Tag(String),
    /// This one.
    Digest(Digest),
}

/// An image as its user names it: with a registry's host, which is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// The registry.
    pub host: String,
    /// Lower-case path.
    pub repository: String,
    /// Which of its images; `latest` where nothing is said.
    pub pin: Pin,
}

impl FromStr for Name {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        match pinned(text) {
            Some((repository, Pin::Tag(tag))) => Ok(Self { repository, tag }),
            _ => Err(OciError::Malformed(format!(
                "{text:?} is not the name of an image, such as team/app:1.0"
            ))),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = OciError;

    fn try_from(text: String) -> Result<Self, OciError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl FromStr for Uri {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let refused = || OciError::Malformed(format!("{text:?} does not name an image of a registry"));
        let (host, rest) = text.split_once('/').ok_or_else(refused)?;
        if !is_host(host) {
            return Err(refused());
        }
        let (repository, pin) = pinned(rest).ok_or_else(refused)?;
        Ok(Self { host: host.to_owned(), repository, pin })
    }
}

impl Uri {
    /// The same place, and this image of it.
    pub fn resolved(&self, digest: Digest) -> String {
        format!("{}/{}@{digest}", self.host, self.repository)
    }
}

fn pinned(text: &str) -> Option<(String, Pin)> {
    let (repository, pin) = match text.split_once('@') {
        // A tag beside a digest says nothing more.
        Some((name, digest)) => {
            let repository = match name.split_once(':') {
                Some((repository, tag)) if is_tag(tag) => repository,
                Some(_) => return None,
                None => name,
            };
            (repository, Pin::Digest(digest.parse().ok()?))
        }
        None => match text.split_once(':') {
            Some((repository, tag)) if is_tag(tag) => (repository, Pin::Tag(tag.to_owned())),
            Some(_) => return None,
            None => (text, Pin::Tag("latest".to_owned())),
        },
    };
    is_repository(repository).then(|| (repository.to_owned(), pin))
}

/// A first part with a dot or a port, as everybody tells a host from a repository.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    text.len() <= REPOSITORY_BYTES_MAX
        && host.bytes().all(fine)
        && host.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
        && (port.is_some() || host.contains('.') || host == "localhost")
}

fn is_repository(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(alphanumeric)
            && bytes.last().is_some_and(alphanumeric)
            && bytes.iter().all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'))
            && !part.contains("..")
    };
    text.len() <= REPOSITORY_BYTES_MAX && text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() <= TAG_BYTES_MAX
        && text.bytes().all(fine)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_uris_are_what_registries_take() {
        let name: Name = "team/app:1.0".parse().unwrap();
        assert_eq!((name.repository.as_str(), name.tag.as_str()), ("team/app", "1.0"));
        assert_eq!("app".parse::<Name>().unwrap().tag, "latest");
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let uri: Uri = format!("{host}/team/app:1.0").parse().unwrap();
        assert_eq!((uri.host.as_str(), uri.pin.clone()), (host, Pin::Tag("1.0".to_owned())));
        let digest = Digest::of(b"x");
        let pinned: Uri = uri.resolved(digest).parse().unwrap();
        assert_eq!((pinned.repository.as_str(), pinned.pin), ("team/app", Pin::Digest(digest)));
        let both: Uri = format!("localhost:5000/app:1@{digest}").parse().unwrap();
        assert_eq!(both.pin, Pin::Digest(digest));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            ":1",
            "App:1",
            "a//b:1",
            "../a:1",
            "a/..:1",
            "a:",
            "a:.b",
            "a b:1",
            "a:1:2",
            "-a:1",
            "a@sha256:00",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        assert!(format!("a:{}", "t".repeat(129)).parse::<Name>().is_err());
        assert!(format!("{}:1", "a".repeat(256)).parse::<Name>().is_err());
        for text in [
            "app:1",
            "team/app:1",
            "h.example/",
            "h.example/A:1",
            "/app:1",
            "h/../x:1",
            "h.example/a@b",
            "oci:/srv/x",
        ] {
            assert!(text.parse::<Uri>().is_err(), "{text}");
        }
    }
}
