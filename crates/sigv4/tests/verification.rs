//! Signing and verifying from outside: our signer, AWS's signer, and every way to be refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use casemate_names::{Secret, Timestamp};
use casemate_sigv4::{
    Arrival, AuthError, EMPTY_SHA256, Expected, Head, PathStyle, Placement, SKEW_S, SigningKeyCache, check,
    parse,
    sign::{Signer, presign, sign_headers},
    verify,
};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);
const KEY_ID: &str = "AKIDEXAMPLE";

fn secret() -> Secret<String> {
    Secret::new("a secret / with + signs".to_owned())
}

fn expected() -> Expected<'static> {
    Expected { region: "eu-west-1", service: "sts", path_style: PathStyle::Normalise, skew_s: SKEW_S }
}

fn signer(secret: &Secret<String>) -> Signer<'_> {
    Signer {
        access_key_id: KEY_ID,
        secret,
        session_token: None,
        region: "eu-west-1",
        service: "sts",
        path_style: PathStyle::Normalise,
        at: NOW,
    }
}

/// A request that can be changed before it is judged.
#[derive(Debug, Clone)]
struct Trial {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body_sha256: [u8; 32],
    at: Timestamp,
}

impl Trial {
    fn signed() -> Self {
        Self::signed_by(&signer(&secret()))
    }

    fn signed_by(signer: &Signer<'_>) -> Self {
        let head = Head { method: "POST", target: "/", headers: &[("host", b"localhost:4566")] };
        let added = sign_headers(signer, &head, &EMPTY_SHA256).unwrap();
        let mut headers = vec![("host".to_owned(), "localhost:4566".to_owned())];
        headers.extend(added.into_iter().map(|(n, v)| (n.to_owned(), v)));
        Self { method: "POST", target: "/".to_owned(), headers, body_sha256: EMPTY_SHA256, at: NOW }
    }

    fn presigned(expires_s: i64) -> Self {
        let secret = secret();
        let headers: &[(&str, &[u8])] = &[("host", b"localhost:4566")];
        let head = Head { method: "GET", target: "/?Action=GetCallerIdentity", headers };
        let target = presign(&signer(&secret), &head, expires_s, &EMPTY_SHA256).unwrap();
        let headers = vec![("host".to_owned(), "localhost:4566".to_owned())];
        Self { method: "GET", target, headers, body_sha256: EMPTY_SHA256, at: NOW }
    }

    fn with<T>(&self, f: impl FnOnce(&Head<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        f(&Head { method: self.method, target: &self.target, headers: &headers })
    }

    fn judge(&self) -> Result<(), AuthError> {
        self.judge_as(&expected(), &secret())
    }

    fn judge_as(&self, expected: &Expected<'_>, secret: &Secret<String>) -> Result<(), AuthError> {
        self.with(|head| {
            let claim = parse(head)?.ok_or(AuthError::MissingAuthenticationToken)?;
            let arrival = Arrival { at: self.at, body_sha256: &self.body_sha256 };
            verify(head, &claim, expected, secret, &SigningKeyCache::new(), &arrival)
        })
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(n, _)| n == name).unwrap().1
    }

    fn replaced(mut self, from: &str, to: &str) -> Self {
        let value = self.header("authorization");
        assert!(value.contains(from));
        *value = value.replacen(from, to, 1);
        self
    }
}

#[test]
fn what_our_signer_signs_verifies() {
    assert_eq!(Trial::signed().judge(), Ok(()));
    assert_eq!(Trial::presigned(60).judge(), Ok(()));
}

#[test]
fn no_signature_is_no_claim_and_a_bearer_token_is_none() {
    let mut trial = Trial::signed();
    *trial.header("authorization") = "Bearer eyJ".to_owned();
    assert!(trial.with(|head| parse(head).unwrap().is_none()));
    trial.headers.retain(|(name, _)| name != "authorization");
    assert!(trial.with(|head| parse(head).unwrap().is_none()));
}

#[test]
fn older_and_other_aws_algorithms_are_refused() {
    for value in ["AWS AKID:sig", "AWS3-HTTPS x=y", "AWS4-HMAC-SHA1 Credential=a", "AWS4-HMAC-SHA256A x=y"] {
        let mut trial = Trial::signed();
        *trial.header("authorization") = value.to_owned();
        assert!(
            matches!(trial.judge(), Err(AuthError::IncompleteSignature(text)) if text.contains("Unsupported"))
        );
    }
}

#[test]
fn a_wrong_secret_is_refused() {
    let wrong = Secret::new("another".to_owned());
    assert_eq!(Trial::signed().judge_as(&expected(), &wrong), Err(AuthError::SignatureDoesNotMatch));
}

#[test]
fn a_swapped_body_is_refused_with_and_without_the_hash_header() {
    let mut trial = Trial::signed();
    trial.body_sha256 = [7; 32];
    assert_eq!(trial.judge(), Err(AuthError::SignatureDoesNotMatch));
    let mut trial = Trial::presigned(60);
    trial.body_sha256 = [7; 32];
    assert_eq!(trial.judge(), Err(AuthError::SignatureDoesNotMatch));

    let secret = secret();
    let hash = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let headers: &[(&str, &[u8])] = &[("host", b"h"), ("x-amz-content-sha256", hash)];
    let added = sign_headers(&signer(&secret), &Head { method: "POST", target: "/", headers }, &EMPTY_SHA256)
        .unwrap();
    let mut all: Vec<(String, String)> =
        headers.iter().map(|(n, v)| ((*n).to_owned(), String::from_utf8(v.to_vec()).unwrap())).collect();
    all.extend(added.into_iter().map(|(n, v)| (n.to_owned(), v)));
    let mut trial =
        Trial { method: "POST", target: "/".into(), headers: all, body_sha256: EMPTY_SHA256, at: NOW };
    assert_eq!(trial.judge(), Ok(()));
    trial.body_sha256 = [7; 32];
    assert_eq!(trial.judge(), Err(AuthError::BodyMismatch));
}

#[test]
fn payload_forms_of_s3_are_refused_elsewhere_even_when_signed() {
    for form in
        ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x"]
    {
        let secret = secret();
        let headers: &[(&str, &[u8])] = &[("host", b"h"), ("x-amz-content-sha256", form.as_bytes())];
        let head = Head { method: "POST", target: "/", headers };
        let added = sign_headers(&signer(&secret), &head, &EMPTY_SHA256).unwrap();
        let mut all =
            vec![("host".to_owned(), "h".to_owned()), ("x-amz-content-sha256".to_owned(), form.to_owned())];
        all.extend(added.into_iter().map(|(n, v)| (n.to_owned(), v)));
        let trial =
            Trial { method: "POST", target: "/".into(), headers: all, body_sha256: EMPTY_SHA256, at: NOW };
        assert_eq!(trial.judge(), Err(AuthError::BodyMismatch), "{form}");
    }
}

#[test]
fn both_placements_at_once_are_refused() {
    let mut trial = Trial::signed();
    trial.target = Trial::presigned(60).target;
    assert!(matches!(trial.judge(), Err(AuthError::DuplicateAuth(_))));
}

#[test]
fn anything_given_twice_is_refused() {
    for name in ["authorization", "x-amz-date"] {
        let mut trial = Trial::signed();
        let value = trial.header(name).clone();
        trial.headers.push((name.to_owned(), value));
        assert!(matches!(trial.judge(), Err(AuthError::DuplicateAuth(_))), "{name}");
    }
    for name in ["X-Amz-Signature=0", "X-Amz-Date=20260101T000000Z", "X-Amz-Expires=60", "X-Amz-Credential=a"]
    {
        let mut trial = Trial::presigned(60);
        trial.target = format!("{}&{name}", trial.target);
        assert!(matches!(trial.judge(), Err(AuthError::DuplicateAuth(_))), "{name}");
    }
    let trial = Trial::signed().replaced("Signature=", "Signature=0, Signature=");
    assert!(matches!(trial.judge(), Err(AuthError::DuplicateAuth(_))));
}

#[test]
fn missing_parts_are_listed_as_aws_lists_them() {
    let trial = Trial::signed().replaced("Credential=", "Credentials=");
    assert!(matches!(trial.judge(), Err(AuthError::IncompleteSignature(_))));
    let mut trial = Trial::signed();
    *trial.header("authorization") = "AWS4-HMAC-SHA256 Credential=a/b/c/d/e".to_owned();
    let text = "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
                parameter.";
    assert_eq!(trial.judge(), Err(AuthError::IncompleteSignature(text.to_owned())));
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        let mut trial = Trial::presigned(60);
        trial.target = trial.target.replacen(&format!("X-Amz-{name}="), "X-Other=", 1);
        assert!(matches!(trial.judge(), Err(AuthError::IncompleteSignature(_))), "{name}");
    }
}

#[test]
fn the_host_must_be_signed() {
    let trial = Trial::signed().replaced("SignedHeaders=host;", "SignedHeaders=");
    assert!(matches!(trial.judge(), Err(AuthError::IncompleteSignature(text)) if text.contains("'Host'")));
}

#[test]
fn an_unsigned_amz_header_is_refused_in_both_placements() {
    for mut trial in [Trial::signed(), Trial::presigned(60)] {
        trial.headers.push(("X-Amz-Target".to_owned(), "Other".to_owned()));
        assert_eq!(trial.judge(), Err(AuthError::UnsignedHeader("x-amz-target".to_owned())));
    }
}

#[test]
fn a_signed_header_that_was_removed_is_refused() {
    let trial = Trial::signed().replaced("SignedHeaders=host;", "SignedHeaders=accept;host;");
    assert_eq!(trial.judge(), Err(AuthError::SignatureDoesNotMatch));
}

#[test]
fn the_window_is_closed_beyond_fifteen_minutes_both_ways() {
    let mut trial = Trial::signed();
    for (offset_s, fine) in [(900, true), (901, false), (-900, true), (-901, false)] {
        trial.at = NOW.plus_seconds(offset_s);
        assert_eq!(trial.judge().is_ok(), fine, "{offset_s}");
    }
    trial.at = NOW.plus_seconds(1000);
    let Err(AuthError::Expired(text)) = trial.judge() else { panic!("not expired") };
    let (signed, limit, at) =
        (NOW.amz_date(), NOW.plus_seconds(100).amz_date(), NOW.plus_seconds(1000).amz_date());
    assert_eq!(text, format!("Signature expired: {signed} is now earlier than {limit} ({at} - 15 min.)"));
    trial.at = NOW.plus_seconds(-1000);
    let Err(AuthError::NotYetCurrent(text)) = trial.judge() else { panic!("current") };
    assert!(text.starts_with("Signature not yet current: ") && text.ends_with(" + 15 min.)"));
}

#[test]
fn a_presigned_request_ends_when_it_says_and_not_fifteen_minutes_later() {
    let mut trial = Trial::presigned(60);
    for (offset_s, fine) in [(59, true), (60, false), (61, false), (-900, true), (-901, false)] {
        trial.at = NOW.plus_seconds(offset_s);
        assert_eq!(trial.judge().is_ok(), fine, "{offset_s}");
    }
    let mut long = Trial::presigned(604_800);
    long.at = NOW.plus_seconds(604_799);
    assert_eq!(long.judge(), Ok(()));
}

#[test]
fn expiries_out_of_range_are_refused_even_when_signed() {
    for expires_s in [0, -1, 604_801, i64::MAX] {
        assert!(matches!(Trial::presigned(expires_s).judge(), Err(AuthError::IncompleteSignature(_))));
    }
}

#[test]
fn a_scope_for_another_service_region_day_or_terminator_is_refused() {
    let other_service = Expected { service: "iam", ..expected() };
    let Err(AuthError::InvalidScope(text)) = Trial::signed().judge_as(&other_service, &secret()) else {
        panic!()
    };
    assert_eq!(text, "Credential should be scoped to correct service: 'iam'.");
    let other_region = Expected { region: "us-east-1", ..expected() };
    let verdict = Trial::signed().judge_as(&other_region, &secret());
    assert!(
        matches!(verdict, Err(AuthError::InvalidScope(text)) if text.contains("valid region, not 'eu-west-1'"))
    );
    let trial = Trial::signed().replaced("/aws4_request", "/aws5_request");
    assert!(matches!(trial.judge(), Err(AuthError::InvalidScope(text)) if text.contains("terminator")));
    let day: String = NOW.amz_date().chars().take(8).collect();
    let trial = Trial::signed().replaced(&format!("/{day}/"), "/20200101/");
    assert!(
        matches!(trial.judge(), Err(AuthError::InvalidScope(text)) if text.contains("Date in Credential scope"))
    );
    let trial = Trial::signed().replaced("/eu-west-1/", "/");
    assert!(matches!(trial.judge(), Err(AuthError::IncompleteSignature(text)) if text.contains("exactly 5")));
}

/// One more thing wrong with a request, and how the refusal begins that tells of it.
type Fault = (&'static str, fn(Trial) -> Trial, &'static str);

fn unlike(mut trial: Trial, headers: &[(&str, &str)]) -> Trial {
    for (name, value) in headers {
        (*value).clone_into(trial.header(name));
    }
    trial
}

fn with_query(mut trial: Trial, more: &str) -> Trial {
    trial.target.push_str(if trial.target.contains('?') { "&" } else { "?" });
    trial.target.push_str(more);
    trial
}

fn at(trial: Trial, offset_s: i64) -> Trial {
    Trial { at: NOW.plus_seconds(offset_s), ..trial }
}

/// In the order in which AWS tells of them (scratchstack's chart of AWS's refusals).
const FAULTS: [Fault; 9] = [
    ("query", |trial| with_query(trial, "a=%zz"), "The query string is malformed."),
    ("both", |trial| with_query(trial, "X-Amz-Signature=0"), "Only one authentication mechanism"),
    ("field", |trial| trial.replaced("Signature=", "Signatures="), "'Signatures' is not known."),
    ("host", |trial| trial.replaced("SignedHeaders=host;", "SignedHeaders="), "'Host' or ':authority'"),
    ("date", |trial| unlike(trial, &[("x-amz-date", "today")]), "Date must be in ISO-8601"),
    ("late", |trial| at(trial, 901), "Signature expired: "),
    ("parts", |trial| trial.replaced("/sts/", "/"), "Credential must have exactly 5"),
    (
        "scope",
        |trial| trial.replaced("/eu-west-1/", "/eu-west-2/"),
        "Credential should be scoped to a valid region",
    ),
    ("signature", |trial| trial.replaced("Signature=", "Signature=0"), "The request signature we calculated"),
];

#[test]
fn of_two_faults_the_earlier_in_the_order_of_aws_is_told() {
    let early: Fault = ("early", |trial| at(trial, -901), "Signature not yet current: ");
    let (mut tried, after) = (0, |at: usize| FAULTS.iter().skip(at + 1));
    for (at, first) in FAULTS.iter().enumerate() {
        for second in after(at) {
            // A date that cannot be read is neither late nor early.
            for first in [Some(first), Some(&early).filter(|_| first.0 == "late")].into_iter().flatten() {
                let told = first.1(second.1(Trial::signed())).judge().unwrap_err();
                let text = told.message(casemate_sigv4::Dialect::Query);
                assert!(text.starts_with(first.2), "{} and {}: {text}", first.0, second.0);
                tried += 1;
            }
        }
        let alone = first.1(Trial::signed()).judge().unwrap_err().message(casemate_sigv4::Dialect::Query);
        assert!(alone.starts_with(first.2), "{}: {alone}", first.0);
    }
    assert_eq!(tried, 36 + 3);
}

#[test]
fn of_two_faults_of_a_presigned_request_the_earlier_is_told_too() {
    let changed = |trial: Trial, from: &str, to: &str| {
        assert!(trial.target.contains(from), "{from} in {}", trial.target);
        Trial { target: trial.target.replacen(from, to, 1), ..trial }
    };
    let parts = changed(Trial::presigned(60), "%2Fsts%2F", "%2F");
    let text = |trial: &Trial| trial.judge().unwrap_err().message(casemate_sigv4::Dialect::Query);
    assert!(text(&parts).starts_with("Credential must have exactly 5"));
    assert!(text(&at(parts.clone(), 60)).starts_with("Signature expired: "));
    assert!(text(&at(parts.clone(), -901)).starts_with("Signature not yet current: "));
    let no_date = changed(parts, "X-Amz-Date=2", "X-Amz-Date=x");
    assert!(text(&at(no_date.clone(), 60)).starts_with("Date must be in ISO-8601"));
    let no_host = changed(no_date, "X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=accept");
    assert!(text(&no_host).starts_with("'Host' or ':authority'"));
    assert!(text(&changed(no_host, "X-Amz-Expires=60", "X-Amz-Expires=0")).starts_with("X-Amz-Expires must"));
}

#[test]
fn a_claim_whose_scope_cannot_be_read_is_for_no_service() {
    assert!(Trial::signed().with(|head| parse(head).unwrap().unwrap().service() == Some("sts")));
    for (from, to) in [("/sts/", "/"), ("/sts/", "/sts/iam/"), ("Credential=AKIDEXAMPLE/", "Credential=")] {
        let trial = Trial::signed().replaced(from, to);
        trial.with(|head| {
            let claim = parse(head).unwrap().unwrap();
            assert_eq!(claim.service(), None, "{to}");
            assert!(matches!(check(&claim, &expected(), NOW), Err(AuthError::IncompleteSignature(_))));
        });
        assert!(matches!(trial.judge(), Err(AuthError::IncompleteSignature(_))), "{to}");
    }
}

#[test]
fn time_and_scope_can_be_judged_before_the_key_is_known() {
    Trial::signed().with(|head| {
        let claim = parse(head).unwrap().unwrap();
        assert_eq!(claim.placement, Placement::Header);
        assert_eq!(check(&claim, &expected(), NOW), Ok(()));
        assert!(matches!(check(&claim, &expected(), NOW.plus_seconds(901)), Err(AuthError::Expired(_))));
    });
}

#[test]
fn a_session_token_is_part_of_what_is_signed() {
    let secret = secret();
    let signer = Signer { session_token: Some("token"), ..signer(&secret) };
    let mut trial = Trial::signed_by(&signer);
    assert_eq!(trial.judge(), Ok(()));
    assert!(trial.with(|head| parse(head).unwrap().unwrap().session_token.as_deref() == Some("token")));
    *trial.header("x-amz-security-token") = "other".to_owned();
    assert_eq!(trial.judge(), Err(AuthError::SignatureDoesNotMatch));
    trial.headers.retain(|(name, _)| name != "x-amz-security-token");
    assert_eq!(trial.judge(), Err(AuthError::SignatureDoesNotMatch));
}

#[test]
fn s3_paths_are_signed_as_they_are_and_payloads_may_be_unsigned_there() {
    let secret = secret();
    let signer = Signer { path_style: PathStyle::Raw, service: "s3", ..signer(&secret) };
    let s3 = Expected { service: "s3", path_style: PathStyle::Raw, ..expected() };
    let headers: &[(&str, &[u8])] = &[("host", b"localhost:4566")];
    let head = Head { method: "GET", target: "/bucket//a/../b%2Fc", headers };
    let target = presign(&signer, &head, 60, &EMPTY_SHA256).unwrap();
    let mut trial = Trial {
        method: "GET",
        target,
        headers: vec![("host".into(), "localhost:4566".into())],
        body_sha256: [9; 32],
        at: NOW,
    };
    assert_eq!(trial.judge_as(&s3, &secret), Ok(()));
    trial.target = trial.target.replacen("/a/../b", "/b", 1);
    assert_eq!(trial.judge_as(&s3, &secret), Err(AuthError::SignatureDoesNotMatch));
}

/// What `aws-sigv4`, AWS's own signer, makes of a request.
fn signed_by_aws(
    location: SignatureLocation,
    target: &str,
    extra: &[(String, String)],
    token: Option<String>,
    body: &[u8],
) -> Trial {
    let identity = Credentials::new(KEY_ID, secret().expose().clone(), token, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.signature_location = location;
    settings.expires_in = (location == SignatureLocation::QueryParams).then(|| Duration::from_mins(1));
    let time = UNIX_EPOCH + Duration::from_secs(NOW.seconds().unsigned_abs());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("sts")
        .time(time)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!("http://localhost:4566{target}");
    let headers = || extra.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let request = SignableRequest::new("POST", url.clone(), headers(), SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut outgoing = http::Request::builder().method("POST").uri(url);
    for (name, value) in headers() {
        outgoing = outgoing.header(name, value);
    }
    let mut outgoing = outgoing.body(()).unwrap();
    instructions.apply_to_request_http1x(&mut outgoing);
    let mut headers = vec![("Host".to_owned(), "localhost:4566".to_owned())];
    headers.extend(
        outgoing.headers().iter().map(|(n, v)| (n.as_str().to_owned(), v.to_str().unwrap().to_owned())),
    );
    let target = outgoing.uri().path_and_query().unwrap().as_str().to_owned();
    let body_sha256 =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body).as_ref().try_into().unwrap();
    Trial { method: "POST", target, headers, body_sha256, at: NOW }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_aws_signer_signs_verifies_and_does_not_once_changed(
        path in "(/[A-Za-z0-9._~:@!$&'()*,;=-]{1,8}){0,4}/?",
        encoded in "(/%(2F|3A|20|C3%A9)[a-z]{0,3}){0,2}",
        query in "([a-zA-Z0-9._~-]{1,6}=([A-Za-z0-9._~-]|%2B|%20|%C3%A9){0,6}){0,1}(&[a-z]{1,3}=[a-z%A-Z0-9]{0,0}){0,2}",
        header in "[a-z]{1,10}( {1,3}[a-zA-Z0-9/+=;,-]{1,10}){0,3}",
        token in proptest::option::of("[A-Za-z0-9/+=]{1,40}"),
        body in proptest::collection::vec(any::<u8>(), 0..64),
        presigned in any::<bool>(),
        flip in any::<u8>(),
    ) {
        let path = format!("/x{path}{encoded}");
        prop_assume!(path.split('/').all(|s| s != "." && s != ".."));
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.trim_start_matches('&')) };
        let location = if presigned { SignatureLocation::QueryParams } else { SignatureLocation::Headers };
        let extra = vec![("x-amz-meta".to_owned(), header)];
        let trial = signed_by_aws(location, &target, &extra, token, &body);
        prop_assert_eq!(trial.judge(), Ok(()), "{:?}", trial);

        let mut other = trial.clone();
        other.body_sha256[usize::from(flip) % 32] ^= 1;
        prop_assert!(other.judge().is_err());
        let mut other = trial.clone();
        other.header("x-amz-meta").push('x');
        prop_assert!(other.judge().is_err());
        let mut other = trial.clone();
        other.target = other.target.replacen("/x", "/y", 1);
        prop_assert!(other.judge().is_err());
        let mut other = trial.clone();
        other.target.push_str(if other.target.contains('?') { "&z=1" } else { "?z=1" });
        prop_assert!(other.judge().is_err());
        let mut other = trial;
        other.method = "PUT";
        prop_assert!(other.judge().is_err());
    }

    #[test]
    fn no_input_makes_the_parser_panic(target in "\\PC*", authorization in "(AWS4-HMAC-SHA256 )?\\PC*", date in "\\PC{0,20}") {
        let headers: &[(&str, &[u8])] =
            &[("host", b"h"), ("authorization", authorization.as_bytes()), ("x-amz-date", date.as_bytes())];
        let head = Head { method: "GET", target: &target, headers };
        if let Ok(Some(claim)) = parse(&head) {
            let arrival = Arrival { at: NOW, body_sha256: &EMPTY_SHA256 };
            let verdict = verify(&head, &claim, &expected(), &secret(), &SigningKeyCache::new(), &arrival);
            prop_assert!(verdict.is_err());
        }
    }
}
