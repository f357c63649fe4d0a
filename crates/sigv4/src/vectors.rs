//! The official signing vectors, read from the source of the `aws-sigv4` crate in cargo's registry (a dev-dependency,
//! Apache-2.0), so that nothing of them is copied here. Each is verified as it stands, in both placements, and must fail
//! when any one byte of it is changed.

use std::{fs, path::PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use casemate_names::{Secret, Timestamp};
use serde_json::Value;

use crate::{
    Algorithm, Arrival, AuthError, Expected, Head, PathStyle, SKEW_S, SigningKeyCache,
    canonical::{PayloadLine, canonical_request, string_to_sign},
    encoding::{parameters, split_target},
    parse, verify,
};

/// A parsed request file.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

#[derive(Debug)]
struct Vector {
    name: String,
    algorithm: Algorithm,
    folder: PathBuf,
    context: Value,
}

/// The parts of the suite: one an algorithm.
const PARTS: [(&str, Algorithm, usize); 2] = [("v4", Algorithm::Hmac, 38), ("v4a", Algorithm::Ecdsa, 30)];

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
        .expect("the aws-sigv4 dev-dependency is unpacked in cargo's registry and ships the suite")
}

fn vectors() -> Vec<Vector> {
    PARTS.into_iter().flat_map(|(part, algorithm, at_least)| vectors_of(part, algorithm, at_least)).collect()
}

fn vectors_of(part: &str, algorithm: Algorithm, at_least: usize) -> Vec<Vector> {
    let mut found: Vec<Vector> = fs::read_dir(suite(part))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("context.json").is_file())
        .map(|folder| Vector {
            name: format!("{part}/{}", folder.file_name().unwrap().to_string_lossy()),
            algorithm,
            context: serde_json::from_slice(&fs::read(folder.join("context.json")).unwrap()).unwrap(),
            folder,
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() >= at_least, "the suite has shrunk to {}", found.len());
    found
}

impl Vector {
    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap().replace("\r\n", "\n")
    }

    fn request(&self, file: &str) -> Request {
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

    fn secret(&self) -> Secret<String> {
        Secret::new(self.context["credentials"]["secret_access_key"].as_str().unwrap().to_owned())
    }

    fn at(&self) -> Timestamp {
        Timestamp::parse_iso8601(self.context["timestamp"].as_str().unwrap()).unwrap()
    }

    fn is_normalised(&self) -> bool {
        self.context["normalize"].as_bool().unwrap()
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            region: self.context["region"].as_str().unwrap(),
            service: self.context["service"].as_str().unwrap(),
            path_style: PathStyle::Normalise,
            skew_s: SKEW_S,
        }
    }

    /// The token is added after signing: a form we refuse.
    fn omits_token(&self) -> bool {
        self.context["omit_session_token"].as_bool() == Some(true)
    }
}

impl Request {
    fn judge(&self, vector: &Vector, keys: &SigningKeyCache) -> Result<(), AuthError> {
        self.judge_for(vector, &vector.expected(), keys)
    }

    fn judge_for(
        &self,
        vector: &Vector,
        expected: &Expected<'_>,
        keys: &SigningKeyCache,
    ) -> Result<(), AuthError> {
        self.judge_with(vector, expected, &vector.secret(), keys)
    }

    fn judge_with(
        &self,
        vector: &Vector,
        expected: &Expected<'_>,
        secret: &Secret<String>,
        keys: &SigningKeyCache,
    ) -> Result<(), AuthError> {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let head = Head { method: &self.method, target: &self.target, headers: &headers };
        let claim = parse(&head)?.ok_or(AuthError::MissingAuthenticationToken)?;
        if claim.access_key_id != vector.context["credentials"]["access_key_id"] {
            return Err(AuthError::UnknownKey);
        }
        let body_sha256: [u8; 32] = digest(&SHA256, &self.body).as_ref().try_into().unwrap();
        let arrival = Arrival { at: vector.at(), body_sha256: &body_sha256 };
        verify(&head, &claim, expected, secret, keys, &arrival)
    }
}

const FILES: [&str; 2] = ["header-signed-request.txt", "query-signed-request.txt"];

#[test]
fn canonical_requests_and_strings_to_sign_are_the_official_ones() {
    for vector in vectors() {
        for (placement, signed) in [("header", FILES[0]), ("query", FILES[1])] {
            let request = vector.request(signed);
            let wanted = vector.text(&format!("{placement}-canonical-request.txt"));
            let mut tail = wanted.trim_end().rsplit('\n');
            let (hash, signed_headers) = (tail.next().unwrap(), tail.next().unwrap());
            let headers: Vec<(&str, &[u8])> =
                request.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
            let mut target = request.target.clone();
            if vector.omits_token() {
                let kept = target.split('&').filter(|piece| !piece.starts_with("X-Amz-Security-Token="));
                target = kept.collect::<Vec<_>>().join("&");
            }
            let head = Head { method: &request.method, target: &target, headers: &headers };
            let style = if vector.is_normalised() { PathStyle::Normalise } else { PathStyle::Raw };
            let made = canonical_request(&head, style, signed_headers, PayloadLine::Literal(hash)).unwrap();
            assert_eq!(made, wanted.trim_end(), "{} {placement}", vector.name);
            let scope = crate::CredentialScope {
                date: "20150830".into(),
                region: match vector.algorithm {
                    Algorithm::Hmac => "us-east-1".into(),
                    Algorithm::Ecdsa => String::new(),
                },
                service: "service".into(),
            };
            let to_sign = string_to_sign(vector.algorithm, "20150830T123600Z", &scope, &made);
            let wanted = vector.text(&format!("{placement}-string-to-sign.txt"));
            assert_eq!(to_sign, wanted.trim_end(), "{} {placement}", vector.name);
        }
    }
}

#[test]
fn every_official_vector_verifies_in_both_placements() {
    let keys = SigningKeyCache::new();
    for vector in vectors().iter().filter(|v| v.is_normalised() && !v.omits_token()) {
        for file in FILES {
            assert_eq!(vector.request(file).judge(vector, &keys), Ok(()), "{} {file}", vector.name);
        }
    }
}

#[test]
fn an_asymmetric_signature_is_good_in_its_regions_only() {
    let keys = SigningKeyCache::new();
    for vector in vectors_of("v4a", Algorithm::Ecdsa, 30).iter().filter(|v| v.is_normalised()) {
        let request = vector.request(FILES[0]);
        let elsewhere = Expected { region: "eu-west-1", ..vector.expected() };
        let verdict = request.judge_for(vector, &elsewhere, &keys);
        assert!(matches!(verdict, Err(AuthError::InvalidScope(_))), "{}: {verdict:?}", vector.name);
        // Whoever widens the set, or leaves it out, has no signature for what is left.
        let mut wider = request.clone();
        let set = wider.headers.iter_mut().find(|(name, _)| name == "X-Amz-Region-Set").unwrap();
        set.1 = b"*".to_vec();
        let verdict = wider.judge_for(vector, &elsewhere, &keys);
        let refused =
            [AuthError::SignatureDoesNotMatch, AuthError::UnsignedHeader("x-amz-security-token".into())];
        assert!(refused.iter().any(|error| verdict.as_ref() == Err(error)), "{}: {verdict:?}", vector.name);
        wider.headers.retain(|(name, _)| name != "X-Amz-Region-Set");
        assert!(wider.judge(vector, &keys).is_err(), "{}", vector.name);
    }
}

#[test]
fn an_asymmetric_signature_passes_for_no_other_key() {
    let keys = SigningKeyCache::new();
    for vector in
        vectors_of("v4a", Algorithm::Ecdsa, 30).iter().filter(|v| v.is_normalised() && !v.omits_token())
    {
        let request = vector.request(FILES[0]);
        let other = Secret::new("another secret".to_owned());
        let verdict = request.judge_with(vector, &vector.expected(), &other, &keys);
        assert_eq!(verdict, Err(AuthError::SignatureDoesNotMatch), "{}", vector.name);
    }
}

#[test]
fn a_session_token_added_after_signing_is_refused() {
    let keys = SigningKeyCache::new();
    let all = vectors();
    assert!(all.iter().any(Vector::omits_token));
    for vector in all.iter().filter(|v| v.omits_token()) {
        let header = vector.request(FILES[0]).judge(vector, &keys);
        assert_eq!(header, Err(AuthError::UnsignedHeader("x-amz-security-token".to_owned())));
        assert_eq!(vector.request(FILES[1]).judge(vector, &keys), Err(AuthError::SignatureDoesNotMatch));
    }
}

/// Everything a one-byte change yields, with what was changed.
fn mutants(request: &Request, signed_headers: &[String]) -> Vec<(String, Request)> {
    let mut out = Vec::new();
    let changed = |text: &[u8], at: usize, with: u8| {
        let mut bytes = text.to_vec();
        bytes[at] ^= with;
        bytes
    };
    for with in [0x01, 0x10, 0x20] {
        for at in 0..request.method.len() {
            let method = String::from_utf8(changed(request.method.as_bytes(), at, with)).unwrap();
            out.push((format!("method {at}"), Request { method, ..request.clone() }));
        }
        for at in 0..request.target.len() {
            let Ok(target) = String::from_utf8(changed(request.target.as_bytes(), at, with)) else {
                continue;
            };
            out.push((format!("target {at} {target}"), Request { target, ..request.clone() }));
        }
        for at in 0..request.body.len() {
            let body = changed(&request.body, at, with);
            out.push((format!("body {at}"), Request { body, ..request.clone() }));
        }
        for (i, (name, value)) in request.headers.iter().enumerate() {
            let lower = name.to_ascii_lowercase();
            if lower != "authorization" && !signed_headers.contains(&lower) {
                continue;
            }
            for at in 0..value.len() {
                let mut mutant = request.clone();
                mutant.headers[i].1 = changed(value, at, with);
                out.push((format!("{name} {at}"), mutant));
            }
        }
    }
    out
}

/// An independent, literal statement of when two targets mean the same: equal paths once dot segments are resolved, equal
/// decoded parameters in any order.
fn same_meaning(a: &str, b: &str) -> bool {
    let path = |target: &str| {
        let (path, _) = split_target(target);
        let mut stack: Vec<String> = Vec::new();
        for part in path.split('/') {
            if part == ".." {
                stack.pop();
            } else if !part.is_empty() && part != "." {
                stack.push(part.to_owned());
            }
        }
        let is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
        (is_folder || stack.is_empty(), stack)
    };
    let query = |target: &str| {
        let (_, query) = split_target(target);
        parameters(query).ok().map(|found| {
            let mut owned: Vec<_> =
                found.into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            owned.sort();
            owned
        })
    };
    path(a) == path(b) && query(a) == query(b)
}

#[test]
fn any_one_byte_change_of_an_official_vector_is_refused() {
    let keys = SigningKeyCache::new();
    let mut tried = 0;
    for vector in vectors().iter().filter(|v| v.is_normalised() && !v.omits_token()) {
        for (file, placement) in [(FILES[0], "header"), (FILES[1], "query")] {
            let request = vector.request(file);
            let canonical = vector.text(&format!("{placement}-canonical-request.txt"));
            let list = canonical.trim_end().rsplit('\n').nth(1).unwrap().to_owned();
            let signed: Vec<String> = list.split(';').map(str::to_owned).collect();
            for (what, mutant) in mutants(&request, &signed) {
                if mutant.target != request.target && same_meaning(&mutant.target, &request.target) {
                    continue;
                }
                tried += 1;
                let verdict = mutant.judge(vector, &keys);
                assert!(verdict.is_err(), "{} {file}: {what} was accepted", vector.name);
            }
        }
    }
    assert!(tried > 10_000, "only {tried} mutants");
}
