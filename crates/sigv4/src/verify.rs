//! The judgement: is the claim current, meant for us, about this very request, and made with the secret?

use aws_lc_rs::constant_time::verify_slices_are_equal;
use casemate_names::{Secret, Timestamp};

use crate::{
    Algorithm, Arrival, AuthError, ChunkedBody, Claim, Expected, Head, PathStyle, PayloadHash, Placement,
    SigningKeyCache,
    asymmetric::{VerifyingKey, includes},
    canonical::{PayloadLine, canonical_request, string_to_sign},
    claim::{MAX_EXPIRES_S, Signature},
    encoding::{pieces, same_name},
    keys::derive,
    scope::{ScopeFault, wrong_parts},
};

/// Judges time and credential scope, which AWS reports before it looks the access key up.
pub fn check(claim: &Claim, expected: &Expected<'_>, now: Timestamp) -> Result<(), AuthError> {
    check_time(claim, expected.skew_s, now)?;
    check_scope(claim, expected)
}

/// Judges the whole claim. `secret` is that of `claim.access_key_id`. Session token, key status and everything the
/// access key stands for are the caller's to judge.
pub fn verify(
    head: &Head<'_>,
    claim: &Claim,
    expected: &Expected<'_>,
    secret: &Secret<String>,
    keys: &SigningKeyCache,
    arrival: &Arrival<'_>,
) -> Result<(), AuthError> {
    check(claim, expected, arrival.at)?;
    check_coverage(head, claim)?;
    let payload = payload_line(claim, expected.path_style, arrival.body_sha256)?;
    let to_sign = to_sign(head, claim, expected.path_style, payload)?;
    check_signature(claim, secret, keys, &to_sign)
}

/// Judges the head of a request whose body comes in chunks ([`PayloadHash::Chunked`]), and answers what will judge the
/// body. Nothing of the body may be acted upon before [`ChunkedBody::finish`] has said that it was whole.
pub fn verify_chunked(
    head: &Head<'_>,
    claim: &Claim,
    expected: &Expected<'_>,
    secret: &Secret<String>,
    keys: &SigningKeyCache,
    now: Timestamp,
) -> Result<ChunkedBody, AuthError> {
    check(claim, expected, now)?;
    check_coverage(head, claim)?;
    let (PayloadHash::Chunked(chunking), PathStyle::Raw, Placement::Header) =
        (claim.payload, expected.path_style, claim.placement)
    else {
        return Err(AuthError::BodyMismatch);
    };
    let line = PayloadLine::Literal(chunking.name());
    check_signature(claim, secret, keys, &to_sign(head, claim, PathStyle::Raw, line)?)?;
    ChunkedBody::new(head, claim, chunking, secret)
}

/// Judges a signature over text that is not a canonical request: the policy of a browser form. Time and scope are judged
/// as for every claim.
pub(crate) fn verify_text(
    claim: &Claim,
    expected: &Expected<'_>,
    secret: &Secret<String>,
    text: &[u8],
    now: Timestamp,
) -> Result<(), AuthError> {
    if claim.date > now.plus_seconds(expected.skew_s) {
        return check_time(claim, expected.skew_s, now);
    }
    // AWS: S3 API reference, "Calculating a signature": a signing key is good for seven days.
    if claim.date.plus_seconds(MAX_EXPIRES_S) <= now {
        return Err(AuthError::Expired(format!(
            "Signature expired: {} is now earlier than {}",
            claim.date.plus_seconds(MAX_EXPIRES_S).amz_date(),
            now.amz_date()
        )));
    }
    check_scope(claim, expected)?;
    match &claim.signature {
        Signature::Mac(Some(claimed)) => {
            let key = derive(secret, &claim.scope.date, &claim.scope.region, &claim.scope.service);
            let tag = aws_lc_rs::hmac::sign(&key, text);
            verify_slices_are_equal(tag.as_ref(), claimed).map_err(|_| AuthError::SignatureDoesNotMatch)
        }
        Signature::Mac(None) | Signature::Der(_) => Err(AuthError::SignatureDoesNotMatch),
    }
}

fn to_sign(
    head: &Head<'_>,
    claim: &Claim,
    style: PathStyle,
    payload: PayloadLine<'_>,
) -> Result<String, AuthError> {
    let request = canonical_request(head, style, &claim.signed_headers, payload)
        .map_err(|_| AuthError::SignatureDoesNotMatch)?;
    Ok(string_to_sign(claim.algorithm, &claim.date_text, &claim.scope, &request))
}

fn check_signature(
    claim: &Claim,
    secret: &Secret<String>,
    keys: &SigningKeyCache,
    to_sign: &str,
) -> Result<(), AuthError> {
    let genuine = match &claim.signature {
        Signature::Mac(Some(claimed)) => {
            let tag = keys.sign(&claim.access_key_id, secret, &claim.scope, to_sign.as_bytes());
            verify_slices_are_equal(tag.as_ref(), claimed).is_ok()
        }
        Signature::Der(Some(claimed)) => VerifyingKey::derive(&claim.access_key_id, secret)
            .is_some_and(|key| key.verifies(to_sign.as_bytes(), claimed)),
        Signature::Mac(None) | Signature::Der(None) => false,
    };
    if genuine { Ok(()) } else { Err(AuthError::SignatureDoesNotMatch) }
}

fn check_time(claim: &Claim, skew_s: i64, now: Timestamp) -> Result<(), AuthError> {
    let minutes = skew_s / 60;
    if claim.date > now.plus_seconds(skew_s) {
        // AWS: text of every service with a 15-minute window.
        return Err(AuthError::NotYetCurrent(format!(
            "Signature not yet current: {} is still later than {} ({} + {minutes} min.)",
            claim.date.amz_date(),
            now.plus_seconds(skew_s).amz_date(),
            now.amz_date()
        )));
    }
    match claim.expires_s {
        None if claim.date < now.plus_seconds(-skew_s) => Err(AuthError::Expired(format!(
            "Signature expired: {} is now earlier than {} ({} - {minutes} min.)",
            claim.date.amz_date(),
            now.plus_seconds(-skew_s).amz_date(),
            now.amz_date()
        ))),
        Some(expires_s) if claim.date.plus_seconds(expires_s) <= now => Err(AuthError::Expired(format!(
            "Signature expired: {} is now earlier than {}",
            claim.date.plus_seconds(expires_s).amz_date(),
            now.amz_date()
        ))),
        None | Some(_) => Ok(()),
    }
}

/// AWS: a scope that cannot be read comes first; then every part that is wrong is named, in the order region, service,
/// terminator, date.
fn check_scope(claim: &Claim, expected: &Expected<'_>) -> Result<(), AuthError> {
    if let Some(ScopeFault::Parts(sent)) = &claim.scope_fault {
        return Err(wrong_parts(claim.algorithm, sent));
    }
    let mut wrong = Vec::new();
    let (region, right) = match claim.algorithm {
        Algorithm::Hmac => (claim.scope.region.as_str(), claim.scope.region == expected.region),
        Algorithm::Ecdsa => {
            let set = claim.region_set.as_deref().unwrap_or_default();
            (set, includes(set, expected.region))
        }
    };
    if !right {
        let region = shown(region);
        wrong.push(format!("Credential should be scoped to a valid region, not '{region}'."));
    }
    if claim.scope.service != expected.service {
        wrong.push(format!("Credential should be scoped to correct service: '{}'.", expected.service));
    }
    if let Some(ScopeFault::Terminator(terminator)) = &claim.scope_fault {
        let terminator = shown(terminator);
        wrong.push(format!(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."
        ));
    }
    let day = claim.date_text.get(..8).unwrap_or_default();
    if claim.scope.date != day {
        wrong.push(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', \
             from '{}'.",
            shown(&claim.scope.date),
            claim.date_text
        ));
    }
    if wrong.is_empty() { Ok(()) } else { Err(AuthError::InvalidScope(wrong.join(" "))) }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Every `x-amz-*` header must be covered, in both placements: an unsigned one could be added by whoever carries the
/// request. `host` was checked when the claim was read.
/// DIVERGES: AWS demands this in S3 only, and lets some old clients add the session token after signing.
fn check_coverage(head: &Head<'_>, claim: &Claim) -> Result<(), AuthError> {
    for (name, _) in head.headers {
        let is_ours = name.get(..6).is_some_and(|start| same_name(start, "x-amz-"));
        if is_ours && !pieces(&claim.signed_headers, b';').any(|signed| same_name(signed, name)) {
            return Err(AuthError::UnsignedHeader(name.to_ascii_lowercase()));
        }
    }
    Ok(())
}

/// What stands for the body in the canonical request, once it is known to be that of the body received.
fn payload_line<'a>(
    claim: &'a Claim,
    style: PathStyle,
    body_sha256: &'a [u8; 32],
) -> Result<PayloadLine<'a>, AuthError> {
    match (&claim.payload, style, claim.placement) {
        // What a form signs is its policy, never a request.
        (.., Placement::Form) => Err(AuthError::SignatureDoesNotMatch),
        (PayloadHash::Sha256(hash), ..) if hash == body_sha256 => Ok(PayloadLine::Hash(hash)),
        (PayloadHash::Absent, PathStyle::Normalise, _) => Ok(PayloadLine::Hash(body_sha256)),
        // AWS: a presigned S3 request says nothing of its body, and S3 alone may say so in a header.
        (PayloadHash::Absent, PathStyle::Raw, Placement::Query)
        | (PayloadHash::Unsigned, PathStyle::Raw, _) => Ok(PayloadLine::Literal("UNSIGNED-PAYLOAD")),
        // S3 demands the header; a chunked body is for [`verify_chunked`].
        (PayloadHash::Absent, PathStyle::Raw, Placement::Header)
        | (PayloadHash::Sha256(_) | PayloadHash::Chunked(_) | PayloadHash::Invalid, ..)
        | (PayloadHash::Unsigned, PathStyle::Normalise, _) => Err(AuthError::BodyMismatch),
    }
}
