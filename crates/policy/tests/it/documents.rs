//! Every policy document that stands in the repository's tests, vectors, examples and suites: whatever is an object in JSON
//! with a `Statement`, or with an `Effect` (a statement, made a document here). Knows how JSON is written inside of Rust and
//! Python, not what it means. Documents that a program puts together from parts are not found.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Where they are looked for, from the root of the repository.
const FOLDERS: [&str; 6] = ["crates", "services", "suites", "examples", "fuzz", "docs"];
const ENDINGS: [&str; 6] = ["rs", "py", "json", "md", "mjs", "golden"];

/// The documents by their text, each with one file it stands in.
pub fn documents() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut files, mut found) = (Vec::new(), BTreeMap::new());
    for folder in FOLDERS {
        walk(&root.join(folder), &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // Every statement has one, and most files have none.
        for reading in text.contains("Effect").then(|| readings(&text)).into_iter().flatten() {
            for document in documents_in(&reading) {
                found.entry(document).or_insert_with(|| file.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    found
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                walk(&path, files);
            }
        } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|one| ending == *one)) {
            files.push(path);
        }
    }
}

/// The text as it is, as a string literal's content, and as what a format string makes, of either.
fn readings(text: &str) -> [String; 4] {
    let mut literal = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            // A line that goes on in the next.
            ('\\', Some('\n')) => while rest.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some(_)) => literal.extend(rest.next()),
            (c, _) => literal.push(c),
        }
    }
    let formatted = |text: &str| text.replace("{{", "{").replace("}}", "}");
    [text.to_owned(), formatted(text), formatted(&literal), literal]
}

/// Objects are tried from every brace on, so that those inside of others are found too.
fn documents_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('{') {
        let rest = &text[at..];
        if !rest[1..].trim_start().starts_with('"') {
            continue;
        }
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(Value::Object(object))) = stream.next() else { continue };
        let own = &rest[..stream.byte_offset()];
        if object.contains_key("Statement") {
            found.push(own.to_owned());
        } else if object.get("Effect").is_some_and(Value::is_string) {
            found.push(format!(r#"{{"Version":"2012-10-17","Statement":{own}}}"#));
        }
    }
    found
}

#[test]
fn documents_are_found_in_every_spelling() {
    let found = |text: &str| readings(text).iter().flat_map(|text| documents_in(text)).collect::<Vec<_>>();
    let document = r#"{"Version": "2012-10-17", "Statement": []}"#;
    for text in [
        format!("let text = r#\"{document}\"#;"),
        format!("let text = \"{}\";", document.replace('"', "\\\"")),
        format!("let text = \"{}\";", document.replace('"', "\\\"").replace("[]", "\\\n    []")),
        format!("format!(r#\"{}\"#)", document.replace('{', "{{").replace('}', "}}")),
        format!("json!({document})"),
        format!(r#"[{{"policies": [{document}]}}]"#),
    ] {
        assert!(found(&text).iter().any(|one| one == document), "{text}");
    }
    let statement = r#"{"Effect": "Deny"}"#;
    assert_eq!(documents_in(statement), [format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#)]);
    assert_eq!(found("{\"Statement\": [}").len(), 0);
}
