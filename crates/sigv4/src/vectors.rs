//! The official signing vectors ([`suite`]): each is verified as it stands, in both placements, and must fail when any one
//! byte of it is changed.

pub(crate) mod suite;

use aws_lc_rs::digest::{SHA256, digest};
use casemate_names::Secret;

use crate::{
    Algorithm, Arrival, AuthError, Expected, Head, PathStyle, SKEW_S, SigningKeyCache,
    canonical::{PayloadLine, canonical_request, string_to_sign},
    encoding::{parameters, split_target},
    parse, verify,
};
use suite::{FILES, Request, Vector, vectors};

fn asymmetric_vectors() -> Vec<Vector> {
    vectors().into_iter().filter(|vector| vector.is_asymmetric).collect()
}

fn algorithm(vector: &Vector) -> Algorithm {
    if vector.is_asymmetric { Algorithm::Ecdsa } else { Algorithm::Hmac }
}

fn expected(vector: &Vector) -> Expected<'_> {
    Expected {
        region: vector.region(),
        service: vector.service(),
        path_style: PathStyle::Normalise,
        skew_s: SKEW_S,
    }
}

impl Request {
    fn judge(&self, vector: &Vector, keys: &SigningKeyCache) -> Result<(), AuthError> {
        self.judge_for(vector, &expected(vector), keys)
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
        if claim.access_key_id != vector.access_key_id() {
            return Err(AuthError::UnknownKey);
        }
        let body_sha256: [u8; 32] = digest(&SHA256, &self.body).as_ref().try_into().unwrap();
        let arrival = Arrival { at: vector.at(), body_sha256: &body_sha256 };
        verify(&head, &claim, expected, secret, keys, &arrival)
    }
}

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
                region: match algorithm(&vector) {
                    Algorithm::Hmac => "us-east-1".into(),
                    Algorithm::Ecdsa => String::new(),
                },
                service: "service".into(),
            };
            let to_sign = string_to_sign(algorithm(&vector), "20150830T123600Z", &scope, &made);
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
    for vector in asymmetric_vectors().iter().filter(|v| v.is_normalised()) {
        let request = vector.request(FILES[0]);
        let elsewhere = Expected { region: "eu-west-1", ..expected(vector) };
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
    for vector in asymmetric_vectors().iter().filter(|v| v.is_normalised() && !v.omits_token()) {
        let request = vector.request(FILES[0]);
        let other = Secret::new("another secret".to_owned());
        let verdict = request.judge_with(vector, &expected(vector), &other, &keys);
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
