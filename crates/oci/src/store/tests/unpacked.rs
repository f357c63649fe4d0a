//! What layers make of a root: what covers what, what stays inside, and what is no entry of a root.

use super::*;

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
