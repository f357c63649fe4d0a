//! Images of registries: the one for this machine is written out as an OCI layout, which is then read like any other. So
//! nothing that a registry says is believed before the blobs were weighed and digested again.

use std::{fmt, fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use futures_util::StreamExt;
use oci_client::{
    Client, Reference,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};

use crate::{
    Digest, OciError, Platform,
    document::{Descriptor, INDEXES, Listed, MANIFESTS, Manifest},
    layer::LAYERS_MAX,
    source::{ARCHIVE_BYTES_MAX, DOCUMENT_BYTES_MAX},
};

/// How long a registry may take to accept a connection, and how long it may be silent. Ours.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Where everything goes that would go without TLS: nobody can listen on port 0.
const NOWHERE: &str = "http://127.0.0.1:0";

/// Who asks a registry.
pub enum Login {
    /// Nobody in particular.
    Anonymous,
    /// Somebody with a password, or with what stands for one.
    Password {
        /// Name of the user.
        user: String,
        /// Sent to the registry, and to the host that it names for tokens.
        password: String,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
        }
    }
}

/// The address of a proxy, in which there may be a password.
pub struct Proxy(pub String);

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

/// An image in a registry, and how to ask for it.
#[derive(Debug)]
pub struct Remote {
    /// `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@DIGEST`, read as Docker reads it: without a host it is Docker Hub.
    pub reference: String,
    /// Who asks.
    pub login: Login,
    /// Whether this registry is asked without TLS: everybody between can then read the password and choose what a tag means.
    pub plain_http: bool,
    /// Certificates of authorities, PEM, beside those of this host.
    pub authorities: Vec<Vec<u8>>,
    /// Through which everything goes, still with TLS up to the registry. Means nothing with `plain_http`.
    pub https_proxy: Option<Proxy>,
}

impl Remote {
    /// Where the registry is asked first; `None` for what names no image.
    pub fn address(&self) -> Option<String> {
        let reference: Reference = self.reference.parse().ok()?;
        Some(format!("https://{}/v2/", reference.resolve_registry()))
    }

    /// Writes the image for `platform` into an empty folder, as an OCI layout; says its digest. `wanted` is asked as soon as the
    /// digest is known and before anything large is fetched, `progress` is told what is.
    pub async fn fetch(
        &self,
        folder: &Path,
        platform: &Platform,
        wanted: &mut (dyn FnMut(Digest) -> Result<(), OciError> + Send),
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Digest, OciError> {
        let reference: Reference = self.reference.parse().map_err(|_| {
            OciError::Malformed(format!("{:?} does not name an image of a registry", self.reference))
        })?;
        let session = Session { client: self.client(&reference)?, auth: self.auth(), reference, folder };
        let (digest, size, manifest) = session.manifest(platform).await?;
        wanted(digest)?;
        if manifest.layers.len() > LAYERS_MAX {
            return Err(OciError::TooLarge(format!("the image has more than {LAYERS_MAX} layers")));
        }
        if manifest.config.size > DOCUMENT_BYTES_MAX {
            return Err(OciError::TooLarge("the image's configuration is too large".to_owned()));
        }
        let blobs = || std::iter::once(&manifest.config).chain(&manifest.layers);
        let all = blobs().try_fold(0_u64, |sum, blob| sum.checked_add(blob.size));
        if all.is_none_or(|bytes| bytes > ARCHIVE_BYTES_MAX) {
            return Err(OciError::TooLarge(format!(
                "the image has more than {ARCHIVE_BYTES_MAX} bytes packed"
            )));
        }
        for (number, blob) in blobs().enumerate() {
            progress(&format!(
                "{} of {}: {} bytes, {}",
                number + 1,
                manifest.layers.len() + 1,
                blob.size,
                blob.digest
            ));
            session.blob(blob).await?;
        }
        let index = serde_json::json!({
            "schemaVersion": 2,
            "manifests": [{ "digest": digest, "size": size }],
        });
        write(&folder.join("index.json"), index.to_string().as_bytes())?;
        Ok(digest)
    }

    fn auth(&self) -> RegistryAuth {
        match &self.login {
            Login::Anonymous => RegistryAuth::Anonymous,
            Login::Password { user, password } => RegistryAuth::Basic(user.clone(), password.clone()),
        }
    }

    fn client(&self, reference: &Reference) -> Result<Client, OciError> {
        let protocol = if self.plain_http {
            ClientProtocol::HttpsExcept(vec![reference.resolve_registry().to_owned()])
        } else {
            ClientProtocol::Https
        };
        let certificate =
            |data: &Vec<u8>| Certificate { encoding: CertificateEncoding::Pem, data: data.clone() };
        // The registry chooses where tokens are asked for and where redirects lead: the client would follow it out of TLS with
        // the password. It cannot be told not to, and its exceptions from proxies would be exceptions from this one.
        let (http_proxy, https_proxy) = if self.plain_http {
            (None, None)
        } else {
            (Some(NOWHERE.to_owned()), self.https_proxy.as_ref().map(|proxy| proxy.0.clone()))
        };
        let config = ClientConfig {
            protocol,
            http_proxy,
            https_proxy,
            extra_root_certificates: self.authorities.iter().map(certificate).collect(),
            connect_timeout: Some(CONNECT_LIMIT),
            read_timeout: Some(SILENCE_LIMIT),
            user_agent: concat!("casemate/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(refused)
    }
}

/// One image being fetched.
struct Session<'a> {
    client: Client,
    auth: RegistryAuth,
    reference: Reference,
    folder: &'a Path,
}

impl Session<'_> {
    /// The manifest of the image for `platform`, written down: its digest and size, and what it says.
    async fn manifest(&self, platform: &Platform) -> Result<(Digest, usize, Manifest), OciError> {
        let pinned = self.reference.digest().map(str::parse::<Digest>).transpose()?;
        let (digest, bytes) = self.document(&self.reference, pinned).await?;
        let (digest, bytes, manifest) = match Listed::read(&bytes, "")? {
            Listed::Manifest(manifest) => (digest, bytes, manifest),
            Listed::Index(all) => {
                let wanted = one_for(platform, &all)?.digest;
                let reference = self.reference.clone_with_digest(wanted.to_string());
                let (digest, bytes) = self.document(&reference, Some(wanted)).await?;
                match Listed::read(&bytes, "")? {
                    Listed::Manifest(manifest) => (digest, bytes, manifest),
                    Listed::Index(_) => return Err(OciError::malformed("the index points at another index")),
                }
            }
        };
        write(&self.place(&digest)?, &bytes)?;
        Ok((digest, bytes.len(), manifest))
    }

    /// A manifest or an index; the one with the digest, where that is known.
    async fn document(
        &self,
        reference: &Reference,
        pinned: Option<Digest>,
    ) -> Result<(Digest, Vec<u8>), OciError> {
        let kinds: Vec<&str> = INDEXES.into_iter().chain(MANIFESTS).collect();
        let (bytes, _) =
            self.client.pull_manifest_raw(reference, &self.auth, &kinds).await.map_err(refused)?;
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(OciError::TooLarge(format!("the manifest has more than {DOCUMENT_BYTES_MAX} bytes")));
        }
        let digest = Digest::of(&bytes);
        if let Some(named) = pinned.filter(|pinned| *pinned != digest) {
            return Err(OciError::Digest { named: named.to_string(), found: digest.to_string() });
        }
        Ok((digest, bytes.to_vec()))
    }

    /// Writes down a blob, of at most as many bytes as its descriptor says. Its digest is checked where the layout is read.
    async fn blob(&self, descriptor: &Descriptor) -> Result<(), OciError> {
        let path = self.place(&descriptor.digest)?;
        let mut file = create(&path)?;
        let digest = descriptor.digest.to_string();
        let mut stream =
            self.client.pull_blob_stream(&self.reference, digest.as_str()).await.map_err(refused)?;
        let mut left = descriptor.size;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| OciError::Registry(printable(&error.to_string())))?;
            left = left
                .checked_sub(piece.len() as u64)
                .ok_or_else(|| OciError::Size { blob: digest.clone(), said: descriptor.size })?;
            file.write_all(&piece).map_err(OciError::io(&path))?;
        }
        Ok(())
    }

    fn place(&self, digest: &Digest) -> Result<std::path::PathBuf, OciError> {
        let blobs = self.folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(OciError::io(&blobs))?;
        Ok(blobs.join(digest.hex()))
    }
}

fn one_for<'a>(platform: &Platform, all: &'a [Descriptor]) -> Result<&'a Descriptor, OciError> {
    let mut fitting: Vec<&Descriptor> =
        all.iter().filter(|one| one.platform.as_ref() == Some(platform)).collect();
    fitting.dedup_by_key(|one| one.digest);
    match fitting.as_slice() {
        [one] => Ok(one),
        [] => Err(OciError::Platform(listed(all))),
        several => Err(OciError::Ambiguous(several.iter().map(|one| one.digest.to_string()).collect())),
    }
}

/// What an index lists, none of which fits.
fn listed(all: &[Descriptor]) -> String {
    let shown = all.iter().take(LISTED_MAX).map(|one| match &one.platform {
        Some(platform) => printable(&format!("{}/{}", platform.os, platform.architecture)),
        None => format!("a platform that is not said (it can be fetched as {})", one.digest),
    });
    let shown: Vec<String> = shown.collect();
    match (shown.is_empty(), all.len().saturating_sub(LISTED_MAX)) {
        (true, _) => "its index lists no image".to_owned(),
        (false, 0) => format!("it is for {}", shown.join(", ")),
        (false, more) => format!("it is for {} and {more} more", shown.join(", ")),
    }
}

/// Most entries of an index that a message names. Ours.
const LISTED_MAX: usize = 20;

fn refused(error: impl fmt::Display) -> OciError {
    OciError::Registry(printable(&error.to_string()))
}

/// Most characters of what a registry says. Ours.
const MESSAGE_CHARACTERS_MAX: usize = 1_000;

/// What somebody else has written, without what steers a terminal.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(MESSAGE_CHARACTERS_MAX).map(shown).collect()
}

fn create(path: &Path) -> Result<fs::File, OciError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(OciError::io(path))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), OciError> {
    create(path)?.write_all(bytes).map_err(OciError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u8, platform: Option<&str>) -> Descriptor {
        let platform = platform.map(|text| {
            let (os, architecture) = text.split_once('/').unwrap();
            serde_json::json!({ "os": os, "architecture": architecture })
        });
        let digest = Digest::of(&[number]).to_string();
        let mut entry = serde_json::json!({ "mediaType": MANIFESTS[0], "size": 1, "digest": digest });
        entry["platform"] = platform.into();
        serde_json::from_value(entry).unwrap()
    }

    fn refusal(all: &[Descriptor]) -> String {
        one_for(&Platform { os: "linux".into(), architecture: "amd64".into() }, all).unwrap_err().to_string()
    }

    #[test]
    fn an_index_without_an_image_for_this_machine_is_refused_with_what_it_lists() {
        let begins = "the image is not for this machine: ";
        assert_eq!(refusal(&[]), format!("{begins}its index lists no image"));
        let others = [entry(1, Some("linux/s390x")), entry(2, Some("unknown/\u{1b}[2J"))];
        assert_eq!(refusal(&others), format!("{begins}it is for linux/s390x, unknown/\u{fffd}[2J"));
        // One that says nothing of its platform is not taken unasked.
        let silent = [entry(3, None)];
        let digest = silent[0].digest;
        let why = format!("it is for a platform that is not said (it can be fetched as {digest})");
        assert_eq!(refusal(&silent), format!("{begins}{why}"));
        let many: Vec<Descriptor> = (0..30).map(|number| entry(number, Some("plan9/386"))).collect();
        assert!(refusal(&many).ends_with("plan9/386 and 10 more"));
    }

    #[test]
    fn the_image_for_this_machine_is_found_once_and_two_are_a_question() {
        let amd64 = Platform { os: "linux".into(), architecture: "amd64".into() };
        let mut all = vec![entry(1, None), entry(2, Some("linux/amd64")), entry(2, Some("linux/amd64"))];
        assert_eq!(one_for(&amd64, &all).unwrap().digest, Digest::of(&[2]));
        all.push(entry(4, Some("linux/amd64")));
        assert!(matches!(one_for(&amd64, &all), Err(OciError::Ambiguous(both)) if both.len() == 2));
    }
}
