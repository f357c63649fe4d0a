//! Any request head is anonymous, a claim, or a typed error; and no claim made of arbitrary bytes verifies.

#![no_main]

use casemate_names::{Secret, Timestamp};
use casemate_sigv4::{Arrival, EMPTY_SHA256, Expected, Head, PathStyle, SKEW_S, SigningKeyCache, parse, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (target, authorization, date, extra) = input;
    let headers: [(&str, &[u8]); 4] = [
        ("host", b"localhost"),
        ("authorization", authorization.as_bytes()),
        ("x-amz-date", date.as_bytes()),
        ("x-amz-extra", extra.as_bytes()),
    ];
    let head = Head { method: "GET", target, headers: &headers };
    let Ok(Some(claim)) = parse(&head) else { return };
    let expected = Expected { region: &claim.scope.region, service: &claim.scope.service, path_style: PathStyle::Normalise, skew_s: SKEW_S };
    let arrival = Arrival { at: claim.date, body_sha256: &EMPTY_SHA256 };
    let secret = Secret::new("a secret that no input holds".to_owned());
    assert!(verify(&head, &claim, &expected, &secret, &SigningKeyCache::new(), &arrival).is_err());
    let _ = Timestamp::parse_iso8601(date);
});
