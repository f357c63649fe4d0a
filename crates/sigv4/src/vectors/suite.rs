//! The official signing vectors, read from the source of the `aws-sigv4` crate in cargo's registry (a dev-dependency,
//! Apache-2.0), so that nothing of them is copied here. For the tests, and for `cargo xtask scoreboard`.

use std::{fs, path::PathBuf};

use casemate_names::{Secret, Timestamp};
use serde_json::Value;

/// A parsed request file.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) name: String,
    /// SigV4A.
    pub(crate) is_asymmetric: bool,
    folder: PathBuf,
    context: Value,
}

/// The parts of the suite, each with how many vectors it has at least: one an algorithm.
const PARTS: [(&str, usize); 2] = [("v4", 38), ("v4a", 30)];

/// The two signed requests of each vector: by header, and by query string.
pub(crate) const FILES: [&str; 2] = ["header-signed-request.txt", "query-signed-request.txt"];

fn suite(part: &str) -> PathBuf {
    let cargo_home =
        option_env!("CARGO_HOME").map_or_else(|| PathBuf::from(env!("HOME")).join(".cargo"), PathBuf::from);
    let registries = fs::read_dir(cargo_home.join("registry/src")).unwrap();
    registries
        .flat_map(|registry| fs::read_dir(registry.unwrap().path()).unwrap())
        .map(|krate| krate.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("aws-sigv4-1."))
        .map(|path| path.join("aws-signing-test-suite").join(part))
        .find(|path| path.is_dir())
        .expect("the aws-sigv4 dev-dependency is unpacked in cargo's registry (`cargo fetch`) and ships the suite")
}

pub(crate) fn vectors() -> Vec<Vector> {
    PARTS.into_iter().flat_map(|(part, at_least)| vectors_of(part, at_least)).collect()
}

fn vectors_of(part: &str, at_least: usize) -> Vec<Vector> {
    let mut found: Vec<Vector> = fs::read_dir(suite(part))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("context.json").is_file())
        .map(|folder| Vector {
            name: format!("{part}/{}", folder.file_name().unwrap().to_string_lossy()),
            is_asymmetric: part == "v4a",
            context: serde_json::from_slice(&fs::read(folder.join("context.json")).unwrap()).unwrap(),
            folder,
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() >= at_least, "the suite has shrunk to {}", found.len());
    found
}

impl Vector {
    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap().replace("\r\n", "\n")
    }

    pub(crate) fn request(&self, file: &str) -> Request {
        let text = self.text(file);
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let first = lines.next().unwrap();
        let (method, rest) = first.split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        for line in lines {
            if line.starts_with(' ') {
                // An obsolete folded line: a server unfolds it with a blank.
                headers.last_mut().unwrap().1.extend_from_slice(format!(" {line}").as_bytes());
            } else {
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.to_owned(), value.as_bytes().to_vec()));
            }
        }
        Request {
            method: method.into(),
            target: target.into(),
            headers,
            body: body.trim_end().as_bytes().to_vec(),
        }
    }

    pub(crate) fn secret(&self) -> Secret<String> {
        Secret::new(self.context["credentials"]["secret_access_key"].as_str().unwrap().to_owned())
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::parse_iso8601(self.context["timestamp"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn is_normalised(&self) -> bool {
        self.context["normalize"].as_bool().unwrap()
    }

    pub(crate) fn access_key_id(&self) -> &str {
        self.context["credentials"]["access_key_id"].as_str().unwrap()
    }

    pub(crate) fn region(&self) -> &str {
        self.context["region"].as_str().unwrap()
    }

    pub(crate) fn service(&self) -> &str {
        self.context["service"].as_str().unwrap()
    }

    /// The token is added after signing: a form we refuse.
    pub(crate) fn omits_token(&self) -> bool {
        self.context["omit_session_token"].as_bool() == Some(true)
    }
}
