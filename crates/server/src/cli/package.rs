//! Finds the local code a template refers to, zips it, uploads it, and puts the package's name in its place. The template
//! keeps its lines, so that error messages still point at them.

use std::{
    fs,
    io::{Cursor, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use casemate_names::{hex, sha256};
use regex::{Captures, Regex};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{CliError, client::Client, output};

/// AWS: a package uploaded directly may have 50 MB.
const PACKAGE_BYTES_MAX: usize = 50 << 20;
/// Directories that are never part of a package.
const LEFT_OUT: [&str; 4] = [".git", "__pycache__", ".casemate", ".aws-sam"];

/// A property that names code, and a path on the same line: `CodeUri: functions/x`, `"Code": "./x"`.
const PATTERN: &str = r#"(?m)(?P<key>(?:^|[\s{,])"?(?:CodeUri|ContentUri|Code)"?[ \t]*:[ \t]*)(?P<quote>["']?)(?P<path>[^"'#,\s{}\[\]|>!&*]+)"#;

/// A template with its local code replaced by uploaded packages.
#[derive(Debug)]
pub(crate) struct Packaged {
    pub(crate) template: String,
    pub(crate) packages: usize,
}

/// Packages every local `CodeUri`, `ContentUri` and `Code` of the template at `path`.
pub(crate) async fn package(client: &Client, path: &Path) -> Result<Packaged, CliError> {
    let template = fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let base = path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let pattern = Regex::new(PATTERN)?;
    let mut uploaded: Vec<(String, String)> = Vec::new();
    for found in pattern.captures_iter(&template) {
        let local = found.name("path").map_or("", |m| m.as_str());
        let is_remote = local.contains("://");
        if is_remote || uploaded.iter().any(|(known, _)| known == local) {
            continue;
        }
        let directory = base.join(local);
        if !directory.exists() {
            let line =
                template.get(..found.get(0).map_or(0, |m| m.start())).unwrap_or("").matches('\n').count() + 1;
            return Err(
                format!("{}:{line}: `{local}` does not exist beside the template", path.display()).into()
            );
        }
        let zipped = zip_of(&directory)?;
        let hash = hex(&sha256(&zipped));
        output::progress(&format!("  packaging {local} ({} KiB)", zipped.len().div_ceil(1024)));
        let headers = vec![("content-type".to_owned(), "application/zip".to_owned())];
        let target = format!("/_casemate/packages/{hash}");
        client.send("cloudformation", "PUT", &target, headers, Bytes::from(zipped)).await?.json()?;
        uploaded.push((local.to_owned(), hash));
    }
    let template = pattern.replace_all(&template, |found: &Captures<'_>| {
        let part = |name: &str| found.name(name).map_or("", |m| m.as_str());
        match uploaded.iter().find(|(local, _)| local == part("path")) {
            Some((_, hash)) => format!("{}{}casemate-package://{hash}", part("key"), part("quote")),
            None => part("key").to_owned() + part("quote") + part("path"),
        }
    });
    Ok(Packaged { template: template.into_owned(), packages: uploaded.len() })
}

/// A zip of a directory (or of one file) that depends on nothing but contents: sorted, without dates.
fn zip_of(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut files = Vec::new();
    if path.is_dir() {
        collect(path, path, &mut files)?;
    } else if path.extension().is_some_and(|extension| extension == "zip") {
        return Ok(fs::read(path)?);
    } else {
        files.push((
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            path.to_owned(),
        ));
    }
    files.sort();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, file) in &files {
        let executable = fs::metadata(file)?.permissions().mode() & 0o111 != 0;
        let options = SimpleFileOptions::default().unix_permissions(if executable { 0o755 } else { 0o644 });
        writer.start_file(name.as_str(), options)?;
        writer.write_all(&fs::read(file)?)?;
    }
    let bytes = writer.finish()?.into_inner();
    if bytes.len() > PACKAGE_BYTES_MAX {
        return Err(format!(
            "`{}` is {} MiB zipped; at most 50 are allowed",
            path.display(),
            bytes.len() >> 20
        )
        .into());
    }
    Ok(bytes)
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<(), CliError> {
    for entry in fs::read_dir(directory).map_err(|error| format!("`{}`: {error}", directory.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let path = entry.path();
        // Links are followed by `metadata`, so a package holds what they point to, never the link.
        if fs::metadata(&path)?.is_dir() {
            collect(root, &path, files)?;
        } else {
            let relative = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.push((relative, path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str) -> Vec<String> {
        let pattern = Regex::new(PATTERN).unwrap();
        pattern.captures_iter(template).map(|found| found["path"].to_owned()).collect()
    }

    #[test]
    fn paths_are_found_in_yaml_and_json_and_nothing_else_is() {
        assert_eq!(found("  CodeUri: functions/x\n  ContentUri: 'y'\n"), ["functions/x", "y"]);
        assert_eq!(found(r#"{"CodeUri": "./x", "Code":"z"}"#), ["./x", "z"]);
        assert!(
            found("  Try2Code:\n    Description: x\n  Code:\n    ZipFile: y\n  Code: !Ref X\n").is_empty()
        );
    }

    #[test]
    fn packages_depend_on_contents_only_and_leave_out_what_is_not_code() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("__pycache__")).unwrap();
        fs::write(directory.path().join("__pycache__/x.pyc"), "x").unwrap();
        fs::write(directory.path().join("app.py"), "1").unwrap();
        let first = zip_of(directory.path()).unwrap();
        fs::write(directory.path().join("app.py"), "1").unwrap();
        assert_eq!(zip_of(directory.path()).unwrap(), first);
        let archive = zip::ZipArchive::new(Cursor::new(first)).unwrap();
        let names: Vec<_> = archive.file_names().map(Result::unwrap).collect();
        assert_eq!(names, ["app.py"]);
    }
}
