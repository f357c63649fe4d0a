//! The official signing vectors, put to the verifier for the scoreboard: as they stand, and spoilt.

use casemate_names::{Secret, sha256};
use casemate_policy_vectors::Score;
use casemate_sigv4::{Arrival, Expected, Head, PathStyle, SKEW_S, SigningKeyCache, parse, verify};

use self::suite::{FILES, Request, Vector, vectors};

#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "shared with the tests of the verifier"
)]
#[path = "../../crates/sigv4/src/vectors/suite.rs"]
mod suite;

/// Seconds after which no request of the suite is good any more: its presigned ones last an hour.
const LATER_S: i64 = 8 * 24 * 60 * 60;

/// What the verifier is asked with: the vector's own, or something else in one place.
struct Trial<'v> {
    request: Request,
    expected: Expected<'v>,
    secret: Secret<String>,
    later_s: i64,
}

/// Asks every vector that a service verifies (those of unnormalised paths are for canonical forms only) in both
/// placements, and each once more with one thing spoilt at a time.
pub(crate) fn scores() -> [Score; 2] {
    let vectors = vectors();
    [("AWS's signing vectors, SigV4", false), ("AWS's signing vectors, SigV4A", true)].map(
        |(name, is_asymmetric)| {
            let own = vectors.iter().filter(|one| one.is_normalised() && one.is_asymmetric == is_asymmetric);
            own.fold(
                Score { name, right: 0, wrong_allow: 0, wrong_deny: 0, failures: Vec::new() },
                ask_in_both_placements,
            )
        },
    )
}

fn ask_in_both_placements(mut score: Score, vector: &Vector) -> Score {
    let keys = SigningKeyCache::new();
    for file in FILES {
        let accepted = accepts(vector, &as_it_is(vector, file), &keys);
        // A session token that is added after signing is refused, see `verify`.
        count(&mut score, &format!("{} {file}", vector.name), accepted, !vector.omits_token());
        for (what, trial) in spoilt(vector, file) {
            let accepted = accepts(vector, &trial, &keys);
            count(&mut score, &format!("{} {file}: {what}", vector.name), accepted, false);
        }
    }
    score
}

fn count(score: &mut Score, what: &str, accepted: bool, wanted: bool) {
    match (accepted, wanted) {
        (true, true) | (false, false) => score.right += 1,
        (true, false) => score.wrong_allow += 1,
        (false, true) => score.wrong_deny += 1,
    }
    if accepted != wanted {
        score.failures.push(format!("{what}: accepted is {accepted}"));
    }
}

fn as_it_is<'v>(vector: &'v Vector, file: &str) -> Trial<'v> {
    let expected = Expected {
        region: vector.region(),
        service: vector.service(),
        path_style: PathStyle::Normalise,
        skew_s: SKEW_S,
    };
    Trial { request: vector.request(file), expected, secret: vector.secret(), later_s: 0 }
}

/// The same with one thing changed: none may be accepted.
fn spoilt<'v>(vector: &'v Vector, file: &str) -> [(&'static str, Trial<'v>); 7] {
    let own = || as_it_is(vector, file);
    let change = |change: fn(&mut Request)| {
        let mut trial = own();
        change(&mut trial.request);
        trial
    };
    [
        ("another method", change(|request| "PATCH".clone_into(&mut request.method))),
        (
            "another query",
            change(|request| {
                request.target.push_str(if request.target.contains('?') { "&z=1" } else { "?z=1" });
            }),
        ),
        ("another body", change(|request| request.body.push(b'x'))),
        ("another secret", Trial { secret: Secret::new("another secret".to_owned()), ..own() }),
        (
            "another region",
            Trial { expected: Expected { region: "mars-north-1", ..own().expected }, ..own() },
        ),
        ("another service", Trial { expected: Expected { service: "another", ..own().expected }, ..own() }),
        ("too late", Trial { later_s: LATER_S, ..own() }),
    ]
}

fn accepts(vector: &Vector, trial: &Trial<'_>, keys: &SigningKeyCache) -> bool {
    let headers: Vec<(&str, &[u8])> =
        trial.request.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let head = Head { method: &trial.request.method, target: &trial.request.target, headers: &headers };
    let Ok(Some(claim)) = parse(&head) else { return false };
    let body_sha256 = sha256(&trial.request.body);
    let arrival = Arrival { at: vector.at().plus_seconds(trial.later_s), body_sha256: &body_sha256 };
    claim.access_key_id == vector.access_key_id()
        && verify(&head, &claim, &trial.expected, &trial.secret, keys, &arrival).is_ok()
}
