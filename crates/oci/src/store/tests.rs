//! Images made here, good and bad, through everything an operator's command goes through.

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

#[test]
fn layers_cover_each_other_in_order_and_rights_are_flattened() {
    let (_layout, root) = Layout::new()
        .layer(|tar| {
            tar.folder("./").folder("usr/").folder("usr/bin/").link("bin", "usr/bin");
            tar.file("usr/bin/tool", "1").file("etc/kept", "1").file("etc/gone", "1").file("old/a", "1");
            tar.entry(EntryType::Regular, "usr/bin/su", 0o6777, ("", b"s"));
            tar.entry(EntryType::Directory, "open", 0o1777, ("", b""));
        })
        .gzipped(|tar| {
            // Through a link of the layer below, as distributions with a merged /usr need it.
            tar.file("bin/tool", "2").second("bin/tool2", "usr/bin/tool");
            tar.file("etc/.wh.gone", "").file("old/new", "2").file("old/.wh..wh..opq", "");
            tar.file("usr/.wh..wh.plnk", "").file("none/.wh.none", "");
        })
        .root();
    let at = |name: &str| root.join(name);
    assert_eq!((text(at("usr/bin/tool")), text(at("usr/bin/tool2"))), ("2".into(), "2".into()));
    assert!(at("etc/kept").exists() && !at("etc/gone").exists() && !at("none").exists());
    assert!(at("old/new").exists() && !at("old/a").exists());
    let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("usr/bin/su"), mode("open"), mode("usr/bin/tool")), (0o755, 0o755, 0o644));
    assert_eq!(fs::metadata(at("usr/bin/tool")).unwrap().mtime(), 1_000);
    assert!(!at("usr/.wh..wh.plnk").exists());
}

#[test]
fn a_layer_never_writes_into_files_of_a_lower_one() {
    let (_layout, root) = Layout::new()
        .layer(|tar| done(tar.file("a", "1").second("b", "a").link("c", "a")))
        .layer(|tar| done(tar.file("a", "2").file("c", "3")))
        .root();
    assert_eq!(
        (text(root.join("a")), text(root.join("b")), text(root.join("c"))),
        ("2".into(), "1".into(), "3".into())
    );
}

#[test]
fn what_hides_lower_files_leaves_those_of_its_own_layer() {
    for opaque in [true, false] {
        let hide = |tar: &mut Tar| done(tar.file(if opaque { "d/.wh..wh..opq" } else { ".wh.d" }, ""));
        for first in [true, false] {
            let (_layout, root) = Layout::new()
                .layer(|tar| done(tar.folder("d").file("d/low", "1").file("d/sub/low", "1")))
                .layer(|tar| {
                    if first {
                        hide(tar);
                    }
                    tar.folder("d").file("d/sub/new", "2");
                    if !first {
                        hide(tar);
                    }
                })
                .root();
            assert!(root.join("d/sub/new").exists(), "{opaque} {first}");
            assert!(!root.join("d/low").exists() && !root.join("d/sub/low").exists(), "{opaque} {first}");
        }
    }
}

#[test]
fn nothing_is_put_into_a_file() {
    let layout = Layout::new().layer(|tar| done(tar.file("b", "1"))).layer(|tar| done(tar.file("b/x", "2")));
    assert_eq!(why(&layout.refused()), "lies in something that is no folder");
}

#[test]
fn a_folder_replaces_a_link_and_a_file_a_folder() {
    let (_layout, root) = Layout::new()
        .layer(|tar| done(tar.file("a/x", "1").link("c", "a").file("b", "1").file("null", "1")))
        .layer(|tar| {
            tar.folder("c").file("c/y", "2").folder("b").file("b/x", "2").file("a", "2");
            tar.entry(EntryType::Char, "null", 0o666, ("", b""));
        })
        .root();
    assert_eq!(
        (text(root.join("a")), text(root.join("c/y")), text(root.join("b/x"))),
        ("2".into(), "2".into(), "2".into())
    );
    assert!(!root.join("null").exists());
}

#[test]
fn names_that_climb_and_links_that_lead_out_stay_in_the_root() {
    for name in ["../x", "a/../../x", "a/..", ".."] {
        let error = Layout::new().layer(|tar| done(tar.file(name, "x"))).refused();
        assert_eq!(why(&error), "climbs out of its folder", "{name}");
    }
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let climbing = format!("../../../../../../../..{target}");
    for link in [target.as_str(), climbing.as_str()] {
        let layout =
            Layout::new().layer(|tar| done(tar.folder("a").link("a/out", link).file("a/out/x", "x"))).write();
        // The link leads to nothing in the root.
        assert_eq!(why(&layout.refused_as_written()), "lies in something that is no folder");
        // Where the root has such a folder, too, that one is meant.
        let layout = Layout::new().layer(|tar| {
            let mut above = String::new();
            for part in target.split('/').filter(|part| !part.is_empty()) {
                above = format!("{above}{part}/");
                tar.folder(&above);
            }
            tar.folder("a").link("a/out", link).file("a/out/x", "x");
        });
        let (_layout, root) = layout.root();
        assert!(root.join(target.trim_start_matches('/')).join("x").exists());
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn files_are_not_written_through_links_nor_hidden_through_them() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("x");
    fs::write(&target, "mine").unwrap();
    let name = target.display().to_string();
    let (_layout, root) = Layout::new()
        .layer(|tar| done(tar.link("link", &name).link("gone", &name)))
        .layer(|tar| done(tar.file("link", "theirs").file(".wh.gone", "")))
        .root();
    assert_eq!((text(target.clone()), text(root.join("link"))), ("mine".into(), "theirs".into()));
    assert!(fs::symlink_metadata(root.join("gone")).is_err());
    // A second name of a link is the link's, not of what it leads to.
    let (_layout, root) = Layout::new().layer(|tar| done(tar.link("a", &name).second("b", "a"))).root();
    assert!(fs::symlink_metadata(root.join("b")).unwrap().is_symlink());
    let error = Layout::new().layer(|tar| done(tar.second("b", &name))).refused();
    assert_eq!(why(&error), "is a second name of no file");
}

#[test]
fn entries_that_may_not_be_are_refused() {
    type Fill = fn(&mut Tar);
    let cases: [(Fill, &str); 11] = [
        (|tar| done(tar.file("a", "1").file("a", "2")), "is there twice"),
        (|tar| done(tar.file("a", "1").link("./a", "b")), "is there twice"),
        (|tar| done(tar.file("a", "1").folder("a")), "is there twice"),
        (|tar| done(tar.folder("a").file("a/b", "1").file("a", "2")), "is there twice"),
        (|tar| done(tar.second("a", "none")), "is a second name of no file"),
        (|tar| done(tar.folder("d").second("a", "d")), "is a second name of no file"),
        (|tar| done(tar.second("a", "../../etc/passwd")), "climbs out of its folder"),
        (|tar| done(tar.file("a", "1").second("a", "a")), "is a second name of no file"),
        (|tar| done(tar.link("a", "")), "is a link to nothing that can be named"),
        (|tar| done(tar.file("d/.wh..", "")), "hides nothing that has a name"),
        (|tar| done(tar.entry(EntryType::new(b'V'), "a", 0, ("", b""))), "is of an unknown kind"),
    ];
    for (fill, expected) in cases {
        assert_eq!(why(&Layout::new().layer(fill).refused()), expected);
    }
    let long = |parts: usize| {
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, vec!["a"; parts].join("/"), &b""[..]).unwrap();
        tar.into_inner().unwrap()
    };
    for (bytes, expected) in [(long(101), "lies too deep"), (long(1_600), "has a name that is too long")] {
        let mut layout = Layout::new();
        layout.layers.push((bytes.clone(), Digest::of(&bytes), PLAIN));
        assert_eq!(why(&layout.refused()), expected);
    }
}

#[test]
fn depth_is_counted_through_links() {
    let deep = vec!["d"; 49].join("/");
    let layout = Layout::new().layer(|tar| {
        let mut above = String::new();
        for _ in 0..49 {
            above.push_str("d/");
            tar.folder(&above);
        }
        // From here, short names lead deep.
        let deeper = format!("l/{}", vec!["e"; 49].join("/"));
        tar.link("l", &deep).folder(&deeper).link("m", &deeper).folder("m/f/f/f");
    });
    assert_eq!(why(&layout.refused()), "lies too deep");
}

#[test]
fn devices_and_pipes_are_left_out_and_counted() {
    let layout = Layout::new()
        .layer(|tar| {
            for (kind, name) in
                [(EntryType::Char, "dev/null"), (EntryType::Block, "sda"), (EntryType::Fifo, "run/pipe")]
            {
                tar.entry(kind, name, 0o666, ("", b""));
            }
            tar.file("a", "1");
        })
        .write();
    let about = layout.add().unwrap();
    assert_eq!((about.left_out, about.bytes), (3, 1));
    let root = layout.images().image(about.digest).unwrap().unwrap().root;
    assert_eq!(names(&root).unwrap(), ["a"]);
}

#[test]
fn names_may_be_said_once_and_sizes_only_in_the_header() {
    let with = |records: &[(&str, &[u8])], size: usize| {
        let mut tar = Tar(Builder::new(Vec::new()));
        tar.0.append_pax_extensions(records.iter().map(|(key, value)| (*key, *value))).unwrap();
        tar.entry(EntryType::Regular, "header", 0o644, ("", &vec![b'x'; size]));
        let bytes = tar.0.into_inner().unwrap();
        let mut layout = Layout::new();
        layout.layers.push((bytes.clone(), Digest::of(&bytes), PLAIN));
        layout
    };
    let capability: &[u8] = b"\x01\0\0\x02\n\n=\n";
    let (_layout, root) =
        with(&[("SCHILY.xattr.security.capability", capability), ("path", b"real"), ("size", b"3")], 3)
            .root();
    assert_eq!((names(&root).unwrap(), text(root.join("real"))), (vec!["real".to_owned()], "xxx".to_owned()));
    assert_eq!(why(&with(&[("size", b"512")], 3).refused()), "has two sizes");
    for records in [
        &[("path", b"a".as_slice()), ("path", b"b")][..],
        &[("GNU.sparse.major", b"1")],
        &[("size", b"none")],
    ] {
        assert!(matches!(with(records, 3).refused(), OciError::Malformed(_)));
    }
    assert_eq!(why(&with(&[("path", b"../x")], 3).refused()), "climbs out of its folder");
    assert_eq!(why(&with(&[("path", b"a\0b")], 3).refused()), "has a NUL byte in its name");
    let sparse =
        Layout::new().layer(|tar| done(tar.entry(EntryType::GNUSparse, "s", 0o644, ("", b"")))).refused();
    assert_eq!(why(&sparse), "is a sparse file");
}

#[test]
fn every_blob_must_be_what_its_descriptor_says() {
    let one = || Layout::new().layer(|tar| done(tar.file("a", "1"))).write();
    let blob = |layout: &Layout, index: usize| {
        layout.path().join("blobs/sha256").join(Digest::of(&layout.layers[index].0).hex())
    };
    // Another byte, one fewer, one more, none at all.
    let layout = one();
    let mut bytes = layout.layers[0].0.clone();
    bytes[0x203] ^= 1;
    fs::write(blob(&layout, 0), &bytes).unwrap();
    assert!(matches!(layout.refused_as_written(), OciError::Digest { .. }));
    fs::write(blob(&layout, 0), &layout.layers[0].0[..1_024]).unwrap();
    assert!(matches!(layout.refused_as_written(), OciError::Size { .. } | OciError::Malformed(_)));
    fs::write(blob(&layout, 0), [layout.layers[0].0.as_slice(), &[0]].concat()).unwrap();
    layout.refused_as_written();
    fs::remove_file(blob(&layout, 0)).unwrap();
    assert!(matches!(layout.refused_as_written(), OciError::Io(..)));
    // Unpacked it is another thing than the configuration says.
    let mut layout = Layout::new().gzipped(|tar| done(tar.file("a", "1")));
    layout.layers[0].1 = Digest::of(b"other");
    assert!(matches!(layout.refused(), OciError::Digest { .. }));
    // Manifest and configuration.
    for kind in ["manifest", "config"] {
        let layout = one();
        let bytes = if kind == "config" {
            layout.config().to_string()
        } else {
            let manifest = layout.manifest();
            let digest: Digest = manifest["digest"].as_str().unwrap().parse().unwrap();
            text(layout.path().join("blobs/sha256").join(digest.hex()))
        };
        let path = layout.path().join("blobs/sha256").join(Digest::of(bytes.as_bytes()).hex());
        let changed = bytes.replacen("linux", "linuy", 1).replacen("schemaVersion", "schemaVersioN", 1);
        fs::write(path, changed).unwrap();
        assert!(matches!(layout.refused_as_written(), OciError::Digest { .. }), "{kind}");
    }
}

#[test]
fn layers_and_their_digests_must_be_as_many() {
    let mut layout = Layout::new().layer(|tar| done(tar.file("a", "1")));
    layout.layers.push((archive(|_| ()), Digest::of(b""), PLAIN));
    let manifest = layout.manifest();
    layout.layers.pop();
    let config =
        layout.blob(layout.config().to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    let digest: Digest = manifest["digest"].as_str().unwrap().parse().unwrap();
    let path = layout.path().join("blobs/sha256").join(digest.hex());
    let mut value: Value = serde_json::from_str(&text(path)).unwrap();
    value["config"] = config;
    layout.index(&[layout.blob(value.to_string().as_bytes(), MANIFEST)]);
    assert!(matches!(layout.refused_as_written(), OciError::Malformed(_)));
}

#[test]
fn the_variant_for_this_machine_is_taken_and_others_are_refused() {
    let mut layout = Layout::new().layer(|tar| done(tar.file("a", "1")));
    let own = layout.manifest();
    layout.architecture = "s390x".to_owned();
    let foreign = layout.manifest();
    let with = |manifest: &Value, architecture: &str, os: &str| {
        let mut value = manifest.clone();
        value["platform"] = json!({ "architecture": architecture, "os": os });
        value
    };
    let host = Platform::of_host();
    let index = json!({ "schemaVersion": 2, "manifests": [
        with(&foreign, "s390x", "linux"), with(&own, &host.architecture, "linux"), with(&foreign, "unknown", "unknown"),
    ] });
    let kind = "application/vnd.oci.image.index.v1+json";
    layout.index(&[layout.blob(index.to_string().as_bytes(), kind)]);
    assert_eq!(layout.add().unwrap().digest.to_string(), own["digest"].as_str().unwrap());
    // What the index says is not believed: the configuration must say it, too.
    for manifest in
        [foreign.clone(), with(&foreign, &host.architecture, "linux"), with(&foreign, "s390x", "linux")]
    {
        let other =
            Layout { held: tempfile::tempdir().unwrap(), layers: Vec::new(), architecture: String::new() };
        fs::create_dir(other.held.path().join("data")).unwrap();
        fs::rename(layout.path(), other.path()).unwrap();
        other.index(&[manifest]);
        assert!(matches!(other.refused_as_written(), OciError::Platform(_)));
        fs::rename(other.path(), layout.path()).unwrap();
    }
}

#[test]
fn several_images_need_a_choice() {
    let mut layout = Layout::new().layer(|tar| done(tar.file("a", "1")));
    let called = |manifest: &Value, name: &str| {
        let mut value = manifest.clone();
        value["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        value
    };
    let first = layout.manifest();
    layout = layout.layer(|tar| done(tar.file("b", "1")));
    let second = layout.manifest();
    layout.index(&[called(&first, "one"), called(&second, "two")]);
    assert!(matches!(layout.refused_as_written(), OciError::Ambiguous(_)));
    let path = layout.path();
    let select =
        |name| layout.images().add(&Addition { select: Some(name), replace: true, ..addition(&path) });
    assert!(select("three").is_err());
    assert_eq!(select("two").unwrap().layers, 2);
    assert_eq!(select(first["digest"].as_str().unwrap()).unwrap().layers, 1);
}

#[test]
fn archives_are_read_plain_and_gzipped() {
    let layout = Layout::new().gzipped(|tar| done(tar.file("a", "1"))).write();
    let digest = layout.add().unwrap().digest;
    let mut tar = Builder::new(Vec::new());
    tar.append_dir_all(".", layout.path()).unwrap();
    let bytes = tar.into_inner().unwrap();
    let path = layout.held.path().join("image.tar");
    for bytes in [bytes.clone(), gzip(&bytes)] {
        fs::write(&path, bytes).unwrap();
        layout.images().remove(digest).unwrap();
        assert_eq!(layout.images().add(&addition(&path)).unwrap().digest, digest);
    }
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    layout.images().remove(digest).unwrap();
    assert!(layout.images().add(&addition(&path)).is_err());
    fs::write(&path, "no archive").unwrap();
    assert!(layout.images().add(&addition(&path)).is_err());
    assert!(layout.images().digests().unwrap().is_empty());
}

#[test]
fn what_docker_saved_is_read_and_has_a_digest_of_all_of_it() {
    let layout = Layout::new().layer(|tar| done(tar.file("a", "1"))).layer(|tar| done(tar.file("b", "2")));
    let config = layout.config().to_string();
    let saved = |config: &str, name: &str, tags: Value| {
        archive(|tar| {
            tar.file(&format!("{name}.json"), config);
            for (number, (bytes, ..)) in layout.layers.iter().enumerate() {
                tar.entry(EntryType::Regular, &format!("{number}/layer.tar"), 0o644, ("", bytes));
            }
            tar.link("2/layer.tar", "../1/layer.tar");
            let list = json!([{ "Config": format!("{name}.json"), "RepoTags": tags, "Layers": ["0/layer.tar", "2/layer.tar"] }]);
            tar.file("manifest.json", &list.to_string());
        })
    };
    let name = Digest::of(config.as_bytes()).hex();
    let path = layout.held.path().join("saved.tar");
    let bytes = saved(&config, &name, json!(["app:1"]));
    fs::write(&path, gzip(&bytes)).unwrap();
    let first = layout.images().add(&addition(&path)).unwrap();
    assert_eq!((first.layers, first.config.entrypoint.clone()), (2, vec!["/bin/run".to_owned()]));
    fs::write(&path, bytes).unwrap();
    assert_eq!(layout.images().add(&addition(&path)).unwrap().digest, first.digest);
    let other = config.replace("\"A=1\"", "\"A=2\"");
    fs::write(&path, saved(&other, &name, Value::Null)).unwrap();
    assert!(matches!(layout.images().add(&addition(&path)), Err(OciError::Digest { .. })));
    fs::write(&path, saved(&other, &Digest::of(other.as_bytes()).hex(), Value::Null)).unwrap();
    let replaced = layout.images().add(&Addition { replace: true, ..addition(&path) }).unwrap();
    assert_ne!(replaced.digest, first.digest);
}

#[test]
fn limits_hold_on_entries_bytes_layers_and_growth() {
    let layout = Layout::new().layer(|tar| done(tar.file("a", "12345").file("b", "1"))).write();
    let mut source = Source::open(&layout.path(), layout.held.path()).unwrap();
    let chosen = source.choose(&Platform::of_host(), None).unwrap();
    for (bytes, entries, fine) in [(6, 2, true), (5, 2, false), (6, 1, false)] {
        let root = layout.held.path().join(format!("root-{bytes}-{entries}"));
        fs::create_dir(&root).unwrap();
        let done = unpack(&source, &chosen, &root, Account::small(bytes, entries));
        assert_eq!(done.is_ok(), fine);
        assert!(fine || matches!(done, Err(OciError::TooLarge(_))));
    }
    // Folders that are only on the way count.
    let deep = Layout::new().layer(|tar| done(tar.file("b/c/d/e", "1"))).write();
    let mut source = Source::open(&deep.path(), deep.held.path()).unwrap();
    let chosen = source.choose(&Platform::of_host(), None).unwrap();
    for (entries, fine) in [(4, true), (3, false)] {
        let root = deep.held.path().join(format!("root-{entries}"));
        fs::create_dir(&root).unwrap();
        let done = unpack(&source, &chosen, &root, Account::small(1, entries));
        assert_eq!(done.is_ok(), fine, "{entries}");
        assert!(fine || matches!(done, Err(OciError::TooLarge(_))));
    }
    let mut many = Layout::new();
    many.layers = vec![(archive(|_| ()), Digest::of(&archive(|_| ())), PLAIN); LAYERS_MAX + 1];
    assert!(matches!(many.refused(), OciError::TooLarge(_)));
    // Zeros: gzip makes a thousandth of them.
    let mut header = Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_size(80 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    let zeros = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        encoder.finish().unwrap()
    };
    let mut bomb = Layout::new();
    let bytes = [gzip(header.as_bytes()), zeros.repeat(80), gzip(&[0; 1_024])].concat();
    bomb.layers.push((bytes, Digest::of(b"never read so far"), GZIP));
    assert!(matches!(bomb.refused(), OciError::TooLarge(_)));
    let record = Layout::new().layer(|tar| {
        tar.entry(EntryType::GNULongName, "././@LongLink", 0o644, ("", &vec![b'a'; (1 << 20) + 1]));
    });
    assert!(matches!(record.refused(), OciError::TooLarge(_)));
    let large = Layout::new().write();
    fs::write(large.path().join("index.json"), vec![b' '; (4 << 20) + 1]).unwrap();
    assert!(matches!(large.refused_as_written(), OciError::TooLarge(_)));
}

#[test]
fn what_an_interrupted_one_left_goes_and_two_at_once_are_refused() {
    let layout = Layout::new().layer(|tar| done(tar.file("a", "1"))).write();
    let folder = layout.held.path().join("data/images");
    fs::create_dir_all(folder.join("new-0/root/half")).unwrap();
    fs::create_dir_all(folder.join("new-1")).unwrap();
    {
        let images = layout.images();
        let _held = images.lock().unwrap();
        assert!(matches!(layout.add(), Err(OciError::Store(_))));
    }
    let about = layout.add().unwrap();
    assert_eq!(names(&folder).unwrap(), [about.digest.hex().as_str(), TABLE, "lock"]);
}

#[test]
fn a_damaged_image_is_noticed_and_unpacked_again() {
    let (layout, root) = Layout::new().layer(|tar| done(tar.file("a", "1"))).root();
    let digest = layout.images().digests().unwrap()[0];
    let image = || layout.images().image(digest).unwrap().unwrap();
    image().verify().unwrap();
    fs::write(root.join("a"), "2").unwrap();
    image().verify().unwrap_err();
    layout.add().unwrap();
    image().verify().unwrap();
    assert_eq!(text(root.join("a")), "1");
}

#[test]
fn names_move_only_when_told_to_and_digests_stay() {
    let first = Layout::new().layer(|tar| done(tar.file("a", "1"))).write();
    let second = Layout::new().layer(|tar| done(tar.file("b", "1"))).write();
    let images = first.images();
    let before = first.add().unwrap().digest;
    first.add().unwrap();
    let path = second.path();
    assert!(matches!(images.add(&addition(&path)), Err(OciError::Store(_))));
    let after = images.add(&Addition { replace: true, ..addition(&path) }).unwrap().digest;
    // What adding would say can be asked for first.
    assert!(matches!(images.check(&addition(&path), before), Err(OciError::Store(_))));
    images.check(&addition(&path), after).unwrap();
    images.check(&Addition { replace: true, ..addition(&path) }, before).unwrap();
    let find = |text: &str| images.find(&text.parse().unwrap(), "123456789012").unwrap();
    assert_eq!(find("registry.example/app:1"), Found::Image(after));
    // What has lost its name is for nothing new, by its digest neither, and is here for what has it.
    assert_eq!(find(&format!("registry.example/app@{before}")), Found::Nothing);
    assert_eq!(find(&format!("registry.example/app@{after}")), Found::Image(after));
    assert!(images.image(before).unwrap().is_some());
    assert_eq!(find(&format!("registry.example/other@{before}")), Found::Nothing);
    assert_eq!(find("registry.example/app:2"), Found::Nothing);
    let name = "app:1".parse().unwrap();
    assert!(images.remove_name(&name).unwrap() && !images.remove_name(&name).unwrap());
    assert_eq!(find("registry.example/app:1"), Found::Nothing);
    assert_eq!(find(&format!("registry.example/app@{after}")), Found::Nothing);
    assert!(images.image(after).unwrap().is_some());
    let path = first.path();
    let again = Addition { name: "app:old".parse().unwrap(), ..addition(&path) };
    assert_eq!(images.add(&again).unwrap().digest, before);
    assert_eq!(find(&format!("registry.example/app@{before}")), Found::Image(before));
    assert!(images.remove(after).unwrap() && !images.remove(after).unwrap());
    assert!(images.image(after).unwrap().is_none() && images.image(before).unwrap().is_some());
    assert_eq!(find(&format!("registry.example/app@{after}")), Found::Nothing);
}

#[test]
fn an_image_for_some_accounts_is_not_for_others() {
    let layout = Layout::new().layer(|tar| done(tar.file("a", "1"))).write();
    let path = layout.path();
    let accounts = vec!["111111111111".to_owned()];
    let digest = layout.images().add(&Addition { accounts, ..addition(&path) }).unwrap().digest;
    for uri in ["r.example/app:1".to_owned(), format!("r.example/app@{digest}")] {
        let find = |account| layout.images().find(&uri.parse().unwrap(), account).unwrap();
        assert_eq!((find("111111111111"), find("222222222222")), (Found::Image(digest), Found::NotFor));
    }
    // Others instead.
    let accounts = vec!["222222222222".to_owned()];
    layout.images().add(&Addition { accounts, replace: true, ..addition(&path) }).unwrap();
    for uri in ["r.example/app:1".to_owned(), format!("r.example/app@{digest}")] {
        let find = |account| layout.images().find(&uri.parse().unwrap(), account).unwrap();
        assert_eq!((find("222222222222"), find("111111111111")), (Found::Image(digest), Found::NotFor));
    }
}

#[test]
fn files_of_the_store_that_others_can_write_are_not_read() {
    let (layout, _) = Layout::new().layer(|tar| done(tar.file("a", "1"))).root();
    let folder = layout.held.path().join("data/images");
    let digest = layout.images().digests().unwrap()[0];
    let about = folder.join(digest.hex()).join(ABOUT);
    for path in [folder.join(TABLE), about] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let images = layout.images();
        assert!(images.entries().is_err() || images.image(digest).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let moved = path.with_extension("moved");
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        assert!(images.entries().is_err() || images.image(digest).is_err());
        fs::remove_file(&path).unwrap();
        fs::rename(&moved, &path).unwrap();
    }
}

#[test]
fn what_a_fetch_left_goes_with_the_next_change_unless_it_still_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let images = Images::of(data.path()).unwrap();
    let name: Name = "a:1".parse().unwrap();
    let going_on = images.gathering().unwrap();
    fs::write(going_on.folder().join("blob"), "x").unwrap();
    images.remove_name(&name).unwrap();
    assert!(going_on.folder().join("blob").exists(), "somebody fetches");
    drop(going_on);
    let left = data.path().join("images/gathering");
    fs::create_dir_all(left.join("blobs")).unwrap();
    images.remove_name(&name).unwrap();
    assert!(!left.exists());
}
