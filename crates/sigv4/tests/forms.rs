//! The forms of one service: bodies in chunks, unsigned bodies, browser forms. Each is signed here from the description in
//! the S3 API reference, independently of the code under test, and then spoilt in every way.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::{Secret, Timestamp, hex, sha256};
use casemate_sigv4::{
    AuthError, Checksum, ChecksumAlgorithm, ChunkError, EMPTY_SHA256, Expected, Field, FormError, Head,
    PathStyle, PostForm, SKEW_S, SigningKeyCache, parse, verify_chunked,
};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_seconds(1_369_353_600);
const DATE: &str = "20130524T000000Z";
const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

fn secret() -> Secret<String> {
    Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned())
}

fn expected() -> Expected<'static> {
    Expected { region: "us-east-1", service: "s3", path_style: PathStyle::Raw, skew_s: SKEW_S }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sign(text: &str) -> String {
    let mut key = format!("AWS4{}", secret().expose()).into_bytes();
    for part in ["20130524", "us-east-1", "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    hex(&mac(&key, text))
}

/// An upload in chunks: its head and its body as sent.
struct Upload {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Signed,
    SignedTrailer,
    UnsignedTrailer,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Signed => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }
}

const ALL: [Form; 3] = [Form::Signed, Form::SignedTrailer, Form::UnsignedTrailer];
const TRAILER: &str = "x-amz-checksum-crc32c";

fn crc32c(data: &[u8]) -> String {
    let mut checksum = Checksum::new(ChecksumAlgorithm::Crc32C);
    checksum.update(data);
    checksum.value()
}

fn upload(form: Form, chunks: &[&[u8]]) -> Upload {
    let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let mut headers = vec![
        ("host".to_owned(), "s3.amazonaws.com".to_owned()),
        ("x-amz-content-sha256".to_owned(), form.name().to_owned()),
        ("x-amz-date".to_owned(), DATE.to_owned()),
        ("x-amz-decoded-content-length".to_owned(), length.to_string()),
    ];
    if form != Form::Signed {
        headers.push(("x-amz-trailer".to_owned(), TRAILER.to_owned()));
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let lines = lines.concat();
    let canonical = format!("PUT\n/bucket/key\n\n{lines}\n{}\n{}", names.join(";"), form.name());
    let seed = sign(&format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{}", hex(&sha256(canonical.as_bytes()))));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/{SCOPE}, SignedHeaders={}, Signature={seed}",
        names.join(";")
    );
    let body = body(form, chunks, &seed);
    headers.push(("authorization".to_owned(), authorization));
    Upload { headers, body }
}

fn body(form: Form, chunks: &[&[u8]], seed: &str) -> Vec<u8> {
    let (mut out, mut previous) = (Vec::new(), seed.to_owned());
    for chunk in chunks.iter().copied().chain([[].as_slice()]) {
        let size = format!("{:x}", chunk.len());
        if form == Form::UnsignedTrailer {
            out.extend_from_slice(format!("{size}\r\n").as_bytes());
        } else {
            let (empty, sum) = (hex(&EMPTY_SHA256), hex(&sha256(chunk)));
            previous =
                sign(&format!("AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{SCOPE}\n{previous}\n{empty}\n{sum}"));
            out.extend_from_slice(format!("{size};chunk-signature={previous}\r\n").as_bytes());
        }
        if !chunk.is_empty() {
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
    }
    let value = crc32c(&chunks.concat());
    if form != Form::Signed {
        out.extend_from_slice(format!("{TRAILER}:{value}\r\n").as_bytes());
    }
    if form == Form::SignedTrailer {
        let sum = hex(&sha256(format!("{TRAILER}:{value}\n").as_bytes()));
        let signature = sign(&format!("AWS4-HMAC-SHA256-TRAILER\n{DATE}\n{SCOPE}\n{previous}\n{sum}"));
        out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Head(AuthError),
    Body(ChunkError),
}

impl Upload {
    fn judge(&self) -> Result<Vec<u8>, Refusal> {
        self.judge_in_pieces(self.body.len().max(1))
    }

    fn judge_in_pieces(&self, piece_bytes: usize) -> Result<Vec<u8>, Refusal> {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        let head = Head { method: "PUT", target: "/bucket/key", headers: &headers };
        let claim = parse(&head).map_err(Refusal::Head)?.unwrap();
        let keys = SigningKeyCache::new();
        let mut chunked =
            verify_chunked(&head, &claim, &expected(), &secret(), &keys, NOW).map_err(Refusal::Head)?;
        let mut out = Vec::new();
        let mut refused = None;
        for piece in self.body.chunks(piece_bytes) {
            if let Err(error) = chunked.push(piece, &mut out) {
                refused = Some(error);
                break;
            }
        }
        let finished = chunked.finish();
        match refused {
            Some(error) => {
                assert!(finished.is_err(), "a refused body must not be whole in the end");
                Err(Refusal::Body(error))
            }
            None => finished.map(|_| out).map_err(Refusal::Body),
        }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.into();
        self
    }

    fn replaced(mut self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.body).unwrap();
        assert!(text.contains(from), "{from}");
        self.body = text.replacen(from, to, 1).into_bytes();
        self
    }
}

fn large() -> Vec<u8> {
    vec![b'a'; 65_536]
}

// AWS: S3 API reference, "Example: PUT object using chunked upload": the seed and chunk signatures printed there.
#[test]
fn the_documented_upload_verifies() {
    let (first, second) = (large(), vec![b'a'; 1_024]);
    let headers = [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", DATE),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=\
             content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
    ];
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    let head = Head { method: "PUT", target: "/examplebucket/chunkObject.txt", headers: &headers };
    let claim = parse(&head).unwrap().unwrap();
    let keys = SigningKeyCache::new();
    let mut chunked = verify_chunked(&head, &claim, &expected(), &secret(), &keys, NOW).unwrap();
    let body = [
        b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
            .as_slice(),
        &first,
        b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
        &second,
        b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
    ]
    .concat();
    let mut out = Vec::new();
    chunked.push(&body, &mut out).unwrap();
    assert_eq!(chunked.finish(), Ok(Vec::new()));
    assert_eq!(out, [first, second].concat());
}

#[test]
fn each_form_verifies_in_pieces_of_any_length() {
    for form in ALL {
        let first = large();
        let whole = upload(form, &[&first, b"the end"]);
        let data = [first.as_slice(), b"the end"].concat();
        for piece_bytes in [1, 7, 8_192, usize::MAX] {
            assert_eq!(whole.judge_in_pieces(piece_bytes), Ok(data.clone()), "{} {piece_bytes}", form.name());
        }
        assert_eq!(upload(form, &[]).judge(), Ok(Vec::new()), "an empty body: {}", form.name());
    }
}

#[test]
fn a_body_that_ends_early_is_never_whole() {
    for form in ALL {
        let whole = upload(form, &[b"abc"]);
        for end in 0..whole.body.len() {
            let cut = Upload { headers: whole.headers.clone(), body: whole.body[..end].to_vec() };
            assert!(cut.judge().is_err(), "{} cut at {end}", form.name());
        }
        let mut longer = whole;
        longer.body.push(b'x');
        assert_eq!(longer.judge(), Err(Refusal::Body(ChunkError::Malformed)), "{}", form.name());
    }
}

#[test]
fn any_one_byte_change_of_a_signed_body_is_refused() {
    for form in [Form::Signed, Form::SignedTrailer] {
        let whole = upload(form, &[b"abcdef"]);
        for at in 0..whole.body.len() {
            for with in [0x01, 0x20, 0x80] {
                let mut body = whole.body.clone();
                body[at] ^= with;
                let changed = Upload { headers: whole.headers.clone(), body };
                // The name of a trailer may be in either case.
                let spelling = changed.body.eq_ignore_ascii_case(&whole.body);
                let verdict = changed.judge();
                let harmless = verdict.as_deref() == Ok(b"abcdef".as_slice()) && spelling;
                assert!(verdict.is_err() || harmless, "{} byte {at} ^ {with}", form.name());
            }
        }
    }
}

#[test]
fn a_chunk_that_is_repeated_is_refused() {
    let (a, b) = (vec![b'a'; 8_192], vec![b'b'; 8_192]);
    let body = upload(Form::Signed, &[&a, &b]).body;
    let end_of_first = body.windows(2).position(|pair| pair == b"a\r").unwrap() + 3;
    let (first, rest) = body.split_at(end_of_first);
    let repeated = [first, first, rest].concat();
    let repeated = Upload { headers: upload(Form::Signed, &[&a, &a, &b]).headers, body: repeated };
    assert_eq!(repeated.judge(), Err(Refusal::Body(ChunkError::SignatureDoesNotMatch)));
}

#[test]
fn small_chunks_belong_at_the_end() {
    for form in ALL {
        let verdict = upload(form, &[b"small", b"another"]).judge();
        assert_eq!(verdict, Err(Refusal::Body(ChunkError::ChunkTooSmall)), "{}", form.name());
    }
}

#[test]
fn the_length_must_be_the_one_announced() {
    for form in ALL {
        for wrong in ["2", "4"] {
            // The length is signed: changing it breaks the head.
            let changed = upload(form, &[b"abc"]).header("x-amz-decoded-content-length", wrong);
            assert_eq!(changed.judge(), Err(Refusal::Head(AuthError::SignatureDoesNotMatch)));
        }
    }
    let more =
        Upload { headers: upload(Form::UnsignedTrailer, &[b"abc"]).headers, body: b"4\r\nabcd\r\n".to_vec() };
    assert_eq!(more.judge(), Err(Refusal::Body(ChunkError::IncompleteBody)));
    let fewer =
        Upload { headers: upload(Form::UnsignedTrailer, &[b"abc"]).headers, body: b"0\r\n\r\n".to_vec() };
    assert_eq!(fewer.judge(), Err(Refusal::Body(ChunkError::IncompleteBody)));
}

#[test]
fn unsigned_chunks_must_have_the_checksum_of_the_trailer() {
    let right = crc32c(b"abc");
    let good = || upload(Form::UnsignedTrailer, &[b"abc"]);
    assert_eq!(good().replaced("abc", "abd").judge(), Err(Refusal::Body(ChunkError::BadDigest)));
    assert_eq!(good().replaced(&right, &crc32c(b"x")).judge(), Err(Refusal::Body(ChunkError::BadDigest)));
    let missing = good().replaced(&format!("{TRAILER}:{right}\r\n"), "");
    assert_eq!(missing.judge(), Err(Refusal::Body(ChunkError::Trailer)));
    let twice = good().replaced(TRAILER, &format!("{TRAILER}:{right}\r\n{TRAILER}"));
    assert_eq!(twice.judge(), Err(Refusal::Body(ChunkError::Trailer)));
    let foreign = good().replaced(TRAILER, &format!("x-amz-meta-a:b\r\n{TRAILER}"));
    assert_eq!(foreign.judge(), Err(Refusal::Body(ChunkError::Trailer)));
}

#[test]
fn a_signed_form_cannot_be_passed_off_as_an_unsigned_one_or_the_other_way_round() {
    let signed = upload(Form::SignedTrailer, &[b"abc"]);
    let unsigned = upload(Form::UnsignedTrailer, &[b"abc"]);
    let one = Upload { headers: signed.headers.clone(), body: unsigned.body.clone() };
    assert_eq!(one.judge(), Err(Refusal::Body(ChunkError::SignatureDoesNotMatch)));
    let other = Upload { headers: unsigned.headers, body: signed.body };
    assert_eq!(other.judge(), Err(Refusal::Body(ChunkError::SignatureDoesNotMatch)));
    let relabelled = upload(Form::SignedTrailer, &[b"abc"])
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_eq!(relabelled.judge(), Err(Refusal::Head(AuthError::SignatureDoesNotMatch)));
    let without = upload(Form::SignedTrailer, &[b"abc"]);
    let text = String::from_utf8(without.body).unwrap();
    let (before, _) = text.split_once("x-amz-trailer-signature").unwrap();
    let cut = Upload { headers: without.headers, body: format!("{before}\r\n").into_bytes() };
    assert_eq!(cut.judge(), Err(Refusal::Body(ChunkError::SignatureDoesNotMatch)));
}

#[test]
fn chunks_are_for_one_service_only() {
    let whole = upload(Form::Signed, &[b"abc"]);
    let headers: Vec<(&str, &[u8])> = whole.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let head = Head { method: "PUT", target: "/bucket/key", headers: &headers };
    let claim = parse(&head).unwrap().unwrap();
    let elsewhere = Expected { path_style: PathStyle::Normalise, ..expected() };
    let verdict = verify_chunked(&head, &claim, &elsewhere, &secret(), &SigningKeyCache::new(), NOW);
    assert_eq!(verdict.map(|_| ()), Err(AuthError::BodyMismatch));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_harm(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        let headers = upload(Form::Signed, &[b"abc"]).headers;
        let refused = Upload { headers, body }.judge().is_err();
        prop_assert!(refused);
    }
}

const POLICY: &str = r#"{"expiration":"2013-05-24T01:00:00.000Z","conditions":[
    {"bucket":"photos"},["starts-with","$key","user/ann/"],{"acl":"private"},["starts-with","$Content-Type","image/"],
    ["content-length-range",1,1000],{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-date":"20130524T000000Z"},
    {"x-amz-credential":"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"}]}"#;

struct Posted {
    fields: Vec<(String, String)>,
    bucket: &'static str,
    file_bytes: u64,
    at: Timestamp,
}

fn posted(policy: &str) -> Posted {
    let encoded = STANDARD.encode(policy);
    let signature = sign(&encoded);
    let fields = [
        ("key", "user/ann/1.png"),
        ("acl", "private"),
        ("Content-Type", "image/png"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
        ("X-Amz-Date", DATE),
        ("Policy", &encoded),
        ("X-Amz-Signature", &signature),
        ("x-ignore-note", "anything"),
    ];
    let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Posted { fields, bucket: "photos", file_bytes: 100, at: NOW.plus_seconds(1_800) }
}

impl Posted {
    fn judge(&self) -> Result<(), FormError> {
        self.judge_for(&expected())
    }

    fn judge_for(&self, expected: &Expected<'_>) -> Result<(), FormError> {
        let fields: Vec<Field<'_>> = self.fields.iter().map(|(name, value)| Field { name, value }).collect();
        let form = PostForm::read(&fields)?.unwrap();
        form.verify(expected, &secret(), self.bucket, self.file_bytes, self.at)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.into();
        self
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self
    }
}

fn refused(why: &str) -> Result<(), FormError> {
    Err(FormError::Refused(why.to_owned()))
}

#[test]
fn a_form_that_keeps_to_its_policy_is_taken() {
    assert_eq!(posted(POLICY).judge(), Ok(()));
    let anonymous = [Field { name: "key", value: "a" }];
    assert!(PostForm::read(&anonymous).unwrap().is_none());
}

#[test]
fn every_departure_from_the_policy_is_refused() {
    let wrong_key = r#"Policy Condition failed: ["starts-with", "$key", "user/ann/"]"#;
    assert_eq!(posted(POLICY).with("key", "user/bob/1.png").judge(), refused(wrong_key));
    assert_eq!(posted(POLICY).without("key").judge(), refused(wrong_key));
    let public = r#"Policy Condition failed: ["eq", "$acl", "private"]"#;
    assert_eq!(posted(POLICY).with("acl", "public-read").judge(), refused(public));
    assert_eq!(posted(POLICY).and("x-amz-meta-a", "b").judge(), refused("Extra input fields: x-amz-meta-a"));
    assert_eq!(posted(POLICY).and("KEY", "user/bob/2").judge(), refused("The field 'key' is given twice."));
    let types = r#"Policy Condition failed: ["starts-with", "$Content-Type", "image/"]"#;
    assert_eq!(posted(POLICY).with("Content-Type", "image/png, text/html").judge(), refused(types));
    let elsewhere = Posted { bucket: "secrets", ..posted(POLICY) };
    assert_eq!(elsewhere.judge(), refused(r#"Policy Condition failed: ["eq", "$bucket", "photos"]"#));
    let large = Posted { file_bytes: 1_001, ..posted(POLICY) };
    assert_eq!(large.judge(), Err(FormError::TooLarge { max: 1_000 }));
    let small = Posted { file_bytes: 0, ..posted(POLICY) };
    assert_eq!(small.judge(), Err(FormError::TooSmall { min: 1 }));
    let anywhere = POLICY.replace(r#"{"bucket":"photos"},"#, "");
    assert_eq!(posted(&anywhere).judge(), refused("Extra input fields: bucket"));
    let late = Posted { at: NOW.plus_seconds(3_600), ..posted(POLICY) };
    assert_eq!(late.judge(), refused("Policy expired."));
}

#[test]
fn a_form_is_refused_unless_its_policy_is_signed_for_this_service() {
    let auth = |error| Err(FormError::Auth(error));
    let other = STANDARD.encode(POLICY.replace("private", "public-read"));
    assert_eq!(posted(POLICY).with("Policy", &other).judge(), auth(AuthError::SignatureDoesNotMatch));
    let zeros = "0".repeat(64);
    assert_eq!(
        posted(POLICY).with("X-Amz-Signature", &zeros).judge(),
        auth(AuthError::SignatureDoesNotMatch)
    );
    let foreign = Expected { region: "eu-west-1", ..expected() };
    assert!(matches!(posted(POLICY).judge_for(&foreign), Err(FormError::Auth(AuthError::InvalidScope(_)))));
    let normal = Expected { path_style: PathStyle::Normalise, ..expected() };
    assert_eq!(posted(POLICY).judge_for(&normal), auth(AuthError::SignatureDoesNotMatch));
    for field in ["Policy", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Credential", "X-Amz-Algorithm"] {
        let verdict = posted(POLICY).without(field).judge();
        assert!(
            matches!(verdict, Err(FormError::Auth(AuthError::IncompleteSignature(_)))),
            "{field}: {verdict:?}"
        );
    }
    let years = POLICY.replace("2013-05-24", "2033-05-24");
    let stale = Posted { at: NOW.plus_seconds(604_800), ..posted(&years) };
    assert!(matches!(stale.judge(), Err(FormError::Auth(AuthError::Expired(_)))));
    let early = Posted { at: NOW.plus_seconds(-SKEW_S - 1), ..posted(POLICY) };
    assert!(matches!(early.judge(), Err(FormError::Auth(AuthError::NotYetCurrent(_)))));
}

#[test]
fn what_is_no_policy_is_refused_even_when_signed() {
    for (policy, why) in [
        ("", "Invalid JSON."),
        ("{}", "Policy missing expiration."),
        (r#"{"expiration":"2013-05-24T01:00:00Z"}"#, "Policy missing conditions."),
        (r#"{"expiration":"tomorrow","conditions":[]}"#, "Invalid 'expiration' value."),
        (r#"{"expiration":"2013-05-24T01:00:00Z","conditions":["x"]}"#, "Invalid Condition."),
        (r#"{"expiration":"2013-05-24T01:00:00Z","conditions":[["not","$key","a"]]}"#, "Invalid Condition."),
        (r#"{"expiration":"2013-05-24T01:00:00Z","conditions":[["eq","key","a"]]}"#, "Invalid Condition."),
        (r#"{"expiration":"2013-05-24T01:00:00Z","conditions":[{"key":1}]}"#, "Invalid Condition."),
    ] {
        assert_eq!(posted(policy).judge(), Err(FormError::InvalidPolicy(why.to_owned())), "{policy}");
    }
    let oversized = posted(POLICY).and("x-ignore-much", &"a".repeat(21_000)).judge();
    assert!(matches!(oversized, Err(FormError::InvalidPolicy(_))));
}
