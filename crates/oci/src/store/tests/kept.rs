//! What the store keeps: which names lead to what, for whom, and what of earlier attempts goes.

use super::*;

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
