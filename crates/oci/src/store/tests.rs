//! Images made here, good and bad, through everything an operator's command goes through.

mod kept;
mod sources;
mod unpacked;

use std::os::unix::fs::{PermissionsExt, symlink};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::*;

/// A layout in the making.
struct Layout {
    held: tempfile::TempDir,
    layers: Vec<(Vec<u8>, Digest, &'static str)>,
    architecture: String,
}

const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Layout {
    fn new() -> Self {
        let held = tempfile::tempdir().unwrap();
        fs::create_dir_all(held.path().join("layout/blobs/sha256")).unwrap();
        fs::create_dir(held.path().join("data")).unwrap();
        Self { held, layers: Vec::new(), architecture: Platform::of_host().architecture }
    }

    fn layer(mut self, fill: impl FnOnce(&mut Tar)) -> Self {
        let bytes = archive(fill);
        let diff = Digest::of(&bytes);
        self.layers.push((bytes, diff, PLAIN));
        self
    }

    fn gzipped(mut self, fill: impl FnOnce(&mut Tar)) -> Self {
        let bytes = archive(fill);
        self.layers.push((gzip(&bytes), Digest::of(&bytes), GZIP));
        self
    }

    fn path(&self) -> PathBuf {
        self.held.path().join("layout")
    }

    fn blob(&self, bytes: &[u8], kind: &str) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.path().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
    }

    fn config(&self) -> Value {
        json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": { "Entrypoint": ["/bin/run"], "Cmd": ["app.handler"], "Env": ["A=1"], "WorkingDir": "/var/task" },
            "rootfs": { "type": "layers", "diff_ids": self.layers.iter().map(|(_, diff, _)| diff.to_string()).collect::<Vec<_>>() },
        })
    }

    /// Writes the manifest's blobs; its descriptor.
    fn manifest(&self) -> Value {
        let config =
            self.blob(self.config().to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
        let layers: Vec<Value> = self.layers.iter().map(|(bytes, _, kind)| self.blob(bytes, kind)).collect();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.blob(manifest.to_string().as_bytes(), MANIFEST)
    }

    fn index(&self, manifests: &[Value]) {
        fs::write(self.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.path().join("index.json"), index.to_string()).unwrap();
    }

    fn images(&self) -> Images {
        Images::of(&self.held.path().join("data")).unwrap()
    }

    fn write(self) -> Self {
        self.index(&[self.manifest()]);
        self
    }

    fn add(&self) -> Result<About, OciError> {
        self.images().add(&addition(&self.path()))
    }

    /// Adds it; where its root is.
    fn root(self) -> (Self, PathBuf) {
        let layout = self.write();
        let about = layout.add().unwrap();
        let root = layout.images().image(about.digest).unwrap().unwrap().root;
        (layout, root)
    }

    /// Tries to add it; nothing may be left.
    fn refused(self) -> OciError {
        let layout = self.write();
        layout.refused_as_written()
    }

    fn refused_as_written(&self) -> OciError {
        let error = self.add().unwrap_err();
        assert_eq!(names(&self.held.path().join("data/images")).unwrap(), ["lock"], "{error}");
        error
    }
}

fn addition(path: &Path) -> Addition<'_> {
    Addition { name: "app:1".parse().unwrap(), path, select: None, accounts: Vec::new(), replace: false }
}

/// What was filled is kept by its owner.
fn done(_: &mut Tar) {}

struct Tar(Builder<Vec<u8>>);

impl Tar {
    /// An entry whose name is written as it is.
    fn entry(&mut self, kind: EntryType, name: &str, mode: u32, (link, content): (&str, &[u8])) -> &mut Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000);
        header.set_size(content.len() as u64);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(&mut self, name: &str, content: &str) -> &mut Self {
        self.entry(EntryType::Regular, name, 0o644, ("", content.as_bytes()))
    }

    fn folder(&mut self, name: &str) -> &mut Self {
        self.entry(EntryType::Directory, name, 0o755, ("", b""))
    }

    fn link(&mut self, name: &str, target: &str) -> &mut Self {
        self.entry(EntryType::Symlink, name, 0o777, (target, b""))
    }

    fn second(&mut self, name: &str, target: &str) -> &mut Self {
        self.entry(EntryType::Link, name, 0o644, (target, b""))
    }
}

fn archive(fill: impl FnOnce(&mut Tar)) -> Vec<u8> {
    let mut tar = Tar(Builder::new(Vec::new()));
    fill(&mut tar);
    tar.0.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

fn why(error: &OciError) -> &'static str {
    match error {
        OciError::Entry { why, .. } => why,
        other => panic!("{other}"),
    }
}
