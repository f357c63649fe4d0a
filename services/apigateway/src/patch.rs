//! Patch operations: what `Update…` takes, and AWS's words for what it does not take.
//!
//! Refuses to know what is patched: each update says which paths it has.

use std::{collections::BTreeMap, fmt};

use crate::api::{Error, Op, PatchOperation};

/// One operation, its path cut at slashes and unescaped.
#[derive(Debug)]
pub(crate) struct Patch {
    pub(crate) op: Op,
    written: String,
    pieces: Vec<String>,
    value: Option<String>,
}

/// The operations and paths an update has. `{…}` stands for any one piece.
pub(crate) type Paths = &'static [(&'static [Op], &'static str)];

/// Replaces only.
pub(crate) const REPLACE: &[Op] = &[Op::Replace];
/// For entries of maps.
pub(crate) const ENTRY: &[Op] = &[Op::Add, Op::Remove, Op::Replace];
/// For elements of sets.
pub(crate) const ELEMENT: &[Op] = &[Op::Add, Op::Remove];

/// Reads the operations of an update and checks them against what it has.
pub(crate) fn read(operations: Option<Vec<PatchOperation>>, paths: Paths) -> Result<Vec<Patch>, Error> {
    operations.unwrap_or_default().into_iter().map(|operation| Patch::read(operation, paths)).collect()
}

impl Patch {
    fn read(operation: PatchOperation, paths: Paths) -> Result<Self, Error> {
        let written = operation.path.unwrap_or_default();
        let op = operation.op.ok_or_else(|| refused_operation(&[]))?;
        let pieces = written.strip_prefix('/').map(|rest| rest.split('/').map(unescaped).collect());
        let patch = Self { op, pieces: pieces.unwrap_or_default(), written, value: operation.value };
        let at_path: Vec<&[Op]> =
            paths.iter().filter(|(_, path)| patch.fits(path)).map(|(operations, _)| *operations).collect();
        if at_path.iter().any(|operations| operations.contains(&op)) {
            return Ok(patch);
        }
        match at_path.first() {
            Some(operations) => Err(refused_operation(operations)),
            None => Err(patch.refused_path(paths)),
        }
    }

    fn fits(&self, pattern: &str) -> bool {
        let wanted: Vec<&str> = pattern.strip_prefix('/').unwrap_or(pattern).split('/').collect();
        wanted.len() == self.pieces.len()
            && wanted
                .iter()
                .zip(&self.pieces)
                .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    }

    /// The pieces of the path.
    pub(crate) fn pieces(&self) -> Vec<&str> {
        self.pieces.iter().map(String::as_str).collect()
    }

    /// The path as it was given.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// The new value; a missing one is empty text.
    pub(crate) fn text(&self) -> String {
        self.value.clone().unwrap_or_default()
    }

    /// The new value; empty text takes the old one away.
    pub(crate) fn optional(&self) -> Option<String> {
        self.value.clone().filter(|value| !value.is_empty())
    }

    /// The new value as a truth value.
    pub(crate) fn boolean(&self) -> Result<bool, Error> {
        match self.value.as_deref() {
            Some("true" | "True" | "TRUE") => Ok(true),
            Some("false" | "False" | "FALSE") => Ok(false),
            _ => Err(self.refused_value("it must be true or false")),
        }
    }

    /// The new value as a number.
    pub(crate) fn number(&self) -> Result<i32, Error> {
        self.text().parse().map_err(|_| self.refused_value("it must be a number"))
    }

    /// Adds, replaces or removes an entry.
    pub(crate) fn entry<V>(&self, map: &mut BTreeMap<String, V>, key: &str, value: V) {
        if self.op == Op::Remove {
            map.remove(key);
        } else {
            map.insert(key.to_owned(), value);
        }
    }

    /// Adds or removes an element.
    pub(crate) fn element(&self, list: &mut Vec<String>, value: &str) {
        list.retain(|known| known != value);
        if self.op != Op::Remove {
            list.push(value.to_owned());
        }
    }

    /// The value cannot be set.
    pub(crate) fn refused_value(&self, why: impl fmt::Display) -> Error {
        Error::bad_request_exception(format!("Invalid value for patch path '{}': {why}", self.written))
    }

    // AWS: text of the service.
    fn refused_path(&self, paths: Paths) -> Error {
        let possible = paths.iter().filter(|(operations, _)| operations.contains(&self.op));
        let possible: Vec<&str> = possible.map(|(_, path)| *path).collect();
        Error::bad_request_exception(format!(
            "Invalid patch path '{}' specified for op '{}'. Must be one of: [{}]",
            self.written,
            self.op.as_str(),
            possible.join(", ")
        ))
    }
}

// AWS: text of the service.
fn refused_operation(possible: &[Op]) -> Error {
    let possible: Vec<&str> = possible.iter().map(|op| op.as_str()).collect();
    let possible = possible.join(", ");
    Error::bad_request_exception(format!("Invalid patch operation specified. Must be one of: [{possible}]"))
}

fn unescaped(piece: &str) -> String {
    piece.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: Paths = &[(REPLACE, "/name"), (ENTRY, "/variables/{name}")];

    fn one(op: Op, path: &str, value: &str) -> Result<Patch, String> {
        let operation =
            PatchOperation { op: Some(op), path: Some(path.into()), value: Some(value.into()), from: None };
        match read(Some(vec![operation]), PATHS) {
            Ok(mut patches) => Ok(patches.remove(0)),
            Err(Error::BadRequestException(error)) => Err(error.message.unwrap()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths_are_cut_and_unescaped() {
        let patch = one(Op::Add, "/variables/a~1b~0c", "v").unwrap();
        assert_eq!(patch.pieces(), ["variables", "a/b~c"]);
        assert_eq!(patch.text(), "v");
    }

    #[test]
    fn what_an_update_does_not_have_is_refused_in_aws_words() {
        assert_eq!(
            one(Op::Replace, "/x", "").unwrap_err(),
            "Invalid patch path '/x' specified for op 'replace'. Must be one of: [/name, /variables/{name}]"
        );
        assert_eq!(
            one(Op::Remove, "/name", "").unwrap_err(),
            "Invalid patch operation specified. Must be one of: [replace]"
        );
        for path in ["", "name", "/", "/name/", "/variables", "/variables/a/b"] {
            assert!(one(Op::Replace, path, "").is_err(), "{path}");
        }
        for op in [Op::Move, Op::Copy, Op::Test] {
            assert!(one(op, "/name", "").is_err());
        }
    }

    #[test]
    fn values_are_checked_for_their_type() {
        assert!(one(Op::Replace, "/name", "yes").unwrap().boolean().is_err());
        assert!(one(Op::Replace, "/name", "1x").unwrap().number().is_err());
        assert_eq!(one(Op::Replace, "/name", "").unwrap().optional(), None);
    }
}
