//! The JSON documents of an image: index, manifest, configuration. What they say is not yet true; sizes and digests are checked
//! where blobs are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, OciError};

/// For which machine an image is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
}

impl Platform {
    /// What runs on this machine.
    pub fn of_host() -> Self {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        Self { architecture: architecture.to_owned(), os: "linux".to_owned() }
    }
}

/// What a document points at.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// What the image is called in its layout.
    pub(crate) fn name(&self) -> Option<&str> {
        self.annotations.as_ref()?.get("org.opencontainers.image.ref.name").map(String::as_str)
    }
}

/// An index or a manifest. A document that is both is refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Either {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

/// What a blob that a descriptor points at turned out to be.
#[derive(Debug)]
pub(crate) enum Listed {
    Index(Vec<Descriptor>),
    Manifest(Manifest),
}

/// One image: its configuration, and its layers from the lowest up.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

impl Listed {
    /// Reads a document that was announced as `announced`; empty where nothing was said.
    pub(crate) fn read(bytes: &[u8], announced: &str) -> Result<Self, OciError> {
        let malformed = |why: &str| OciError::malformed(format!("an index or manifest {why}"));
        let either: Either = serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
        if either.schema_version != 2 {
            return Err(malformed("is not of schema version 2"));
        }
        let says = either.media_type.as_deref().unwrap_or(announced);
        if !announced.is_empty() && says != announced {
            return Err(malformed("is not of the type that points at it"));
        }
        match (either.manifests, either.config, either.layers) {
            (Some(manifests), None, None) if says.is_empty() || INDEXES.contains(&says) => {
                Ok(Self::Index(manifests))
            }
            (None, Some(config), Some(layers)) if says.is_empty() || MANIFESTS.contains(&says) => {
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            _ => Err(malformed(&format!("does not hold what {says:?} says, and nothing else"))),
        }
    }
}

pub(crate) const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
pub(crate) const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
}

impl Packing {
    pub(crate) fn of(media_type: &str) -> Result<Self, OciError> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Ok(Self::Plain)
            }
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Ok(Self::Gzip),
            other => Err(OciError::MediaType(other.to_owned())),
        }
    }
}

/// What an image wants to be run with. Nothing in it is checked: what is not honoured, its user decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// What is executed.
    pub entrypoint: Vec<String>,
    /// Arguments, or what is executed where there is no entry point.
    pub cmd: Vec<String>,
    /// Names and values.
    pub env: Vec<(String, String)>,
    /// Where it begins; empty for `/`.
    pub working_dir: String,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    architecture: String,
    os: String,
    #[serde(default)]
    config: Option<Run>,
    rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Run {
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    working_dir: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// Bytes of an image's command and variables. Ours: a process can be given 2 MiB as a rule, and has variables of others, too.
const WORDS_BYTES_MAX: usize = 256 * 1024;

/// Variables of an image. Ours.
const VARIABLES_MAX: usize = 1_000;

impl Config {
    fn bytes(&self) -> usize {
        let words = self.entrypoint.iter().chain(&self.cmd).chain([&self.working_dir]).map(String::len);
        let variables = self.env.iter().map(|(name, value)| name.len() + value.len());
        words.chain(variables).sum()
    }

    /// Reads an image's configuration: also for which platform it is, and the digests of its layers unpacked.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, Platform, Vec<Digest>), OciError> {
        let malformed = |why: &str| OciError::malformed(format!("the image's configuration {why}"));
        let file: ConfigFile =
            serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
        if file.rootfs.kind != "layers" {
            return Err(malformed("does not describe layers"));
        }
        let run = file.config.unwrap_or_default();
        if run.env.as_ref().is_some_and(|env| env.len() > VARIABLES_MAX) {
            return Err(OciError::TooLarge(format!("the image has more than {VARIABLES_MAX} variables")));
        }
        let mut env = Vec::new();
        for text in run.env.unwrap_or_default() {
            let (name, value) =
                text.split_once('=').ok_or_else(|| malformed("has a variable without a value"))?;
            env.push((name.to_owned(), value.to_owned()));
        }
        let config = Self {
            entrypoint: run.entrypoint.unwrap_or_default(),
            cmd: run.cmd.unwrap_or_default(),
            env,
            working_dir: run.working_dir.unwrap_or_default(),
        };
        let texts = config.entrypoint.iter().chain(&config.cmd).chain([&config.working_dir]);
        let values = config.env.iter().flat_map(|(name, value)| [name, value]);
        if texts.chain(values).any(|text| text.contains('\0')) {
            return Err(malformed("has a NUL byte in its command or variables"));
        }
        if config.env.iter().any(|(name, _)| name.is_empty()) {
            return Err(malformed("has a variable without a name"));
        }
        if config.bytes() > WORDS_BYTES_MAX {
            return Err(OciError::TooLarge(format!(
                "the image's command and variables have more than {WORDS_BYTES_MAX} bytes"
            )));
        }
        let platform = Platform { architecture: file.architecture, os: file.os };
        Ok((config, platform, file.rootfs.diff_ids.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_index_and_manifest_at_once_is_refused() {
        let digest = Digest::of(b"x");
        let descriptor = format!(r#"{{"mediaType":"a","digest":"{digest}","size":1}}"#);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[]}}"#);
        assert!(matches!(Listed::read(manifest.as_bytes(), MANIFESTS[0]), Ok(Listed::Manifest(_))));
        let both = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[],"manifests":[]}}"#);
        for announced in [INDEXES[0], MANIFESTS[0], ""] {
            assert!(Listed::read(both.as_bytes(), announced).is_err());
        }
        let other = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{descriptor},"layers":[]}}"#,
            MANIFESTS[1]
        );
        assert!(Listed::read(other.as_bytes(), MANIFESTS[0]).is_err());
        assert!(Listed::read(manifest.as_bytes(), INDEXES[0]).is_err());
        assert!(Listed::read(br#"{"schemaVersion":1,"manifests":[]}"#, "").is_err());
        let twice = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
        assert!(Listed::read(twice, "").is_err());
    }

    #[test]
    fn layers_that_are_not_plain_or_gzip_are_refused() {
        for kind in ["application/vnd.oci.image.layer.v1.tar+zstd", "application/x-tar", ""] {
            assert!(matches!(Packing::of(kind), Err(OciError::MediaType(_))));
        }
    }

    #[test]
    fn configurations_with_nul_bytes_or_without_layers_are_refused() {
        let config = |rest: &str| format!(r#"{{"architecture":"amd64","os":"linux",{rest}}}"#);
        let layers = r#""rootfs":{"type":"layers","diff_ids":[]}"#;
        let (read, platform, _) =
            Config::read(config(&format!(r#""config":{{"Env":["A=b=c"],"Cmd":null}},{layers}"#)).as_bytes())
                .unwrap();
        assert_eq!((read.env, platform.os.as_str()), (vec![("A".into(), "b=c".into())], "linux"));
        for bad in [
            format!(r#""config":{{"Cmd":["a\u0000"]}},{layers}"#),
            format!(r#""config":{{"Env":["A"]}},{layers}"#),
            format!(r#""config":{{"Env":["=b"]}},{layers}"#),
            r#""rootfs":{"type":"other"}"#.to_owned(),
        ] {
            assert!(Config::read(config(&bad).as_bytes()).is_err(), "{bad}");
        }
        let many = |count| format!(r#""config":{{"Env":{:?}}},{layers}"#, vec!["A="; count]);
        Config::read(config(&many(VARIABLES_MAX)).as_bytes()).unwrap();
        let refused = Config::read(config(&many(VARIABLES_MAX + 1)).as_bytes());
        assert!(matches!(refused, Err(OciError::TooLarge(_))));
        let long = format!(r#""config":{{"Env":["A={}"]}},{layers}"#, "x".repeat(WORDS_BYTES_MAX));
        assert!(matches!(Config::read(config(&long).as_bytes()), Err(OciError::TooLarge(_))));
    }
}
