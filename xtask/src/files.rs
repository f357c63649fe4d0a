//! Files of the repository, by path from its root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// One file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the root.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Reads a text file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a text file unless it already says the same. Answers whether it was written.
pub(crate) fn write(path: &Path, text: &str) -> Result<bool, String> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(true)
}

/// Names in a folder, sorted; empty when there is no such folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Every text file that is tracked or could be.
pub(crate) fn sources() -> Result<Vec<Source>, String> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("git: {error}"))?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let kinds =
        [".rs", ".md", ".toml", ".py", ".sh", ".js", ".mjs", ".yaml", ".yml", "LICENSE", "test", "run"];
    let mut sources = Vec::new();
    for path in listing.split('\0').filter(|path| kinds.iter().any(|kind| path.ends_with(kind))) {
        // A path that is tracked but deleted, or a link to nowhere, has no text to check.
        if let Ok(text) = fs::read_to_string(root().join(path)) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}
