//! What an image is read from: which of several it is, whether every part is what it is said to be, and how much of it is read.

use super::*;

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
