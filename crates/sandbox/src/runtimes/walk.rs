//! Everything in a folder of the host, in the order of names; links are not followed.

use std::{
    fs::{self, FileType},
    path::{Path, PathBuf},
};

/// What lies in a folder and in those in it, as deep as `depth_max`. What cannot be read is not there.
pub(super) fn all(folder: &Path, depth_max: usize) -> Vec<(PathBuf, FileType)> {
    let mut found = Vec::new();
    into(folder, depth_max, &mut found);
    found
}

fn into(folder: &Path, depth: usize, found: &mut Vec<(PathBuf, FileType)>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut entries: Vec<_> =
        entries.filter_map(|entry| Some((entry.path(), entry.file_type().ok()?))).collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    for (path, kind) in entries {
        if found.len() >= ENTRIES_MAX {
            return;
        }
        found.push((path.clone(), kind));
        if kind.is_dir() && depth > 0 {
            into(&path, depth - 1, found);
        }
    }
}

/// Ours: interpreters have some thousand files.
const ENTRIES_MAX: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_links_are_not_followed_and_it_ends_at_a_depth() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/c/d")).unwrap();
        fs::write(at("b/c/d/e"), "").unwrap();
        fs::write(at("a"), "").unwrap();
        std::os::unix::fs::symlink("..", at("b/up")).unwrap();
        let names = |depth| all(folder.path(), depth).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(names(0), [at("a"), at("b")]);
        assert_eq!(names(9), [at("a"), at("b"), at("b/c"), at("b/c/d"), at("b/c/d/e"), at("b/up")]);
        assert!(all(&at("none"), 9).is_empty());
    }
}
