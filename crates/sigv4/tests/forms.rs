//! The forms of one service: bodies in chunks, unsigned bodies, browser forms. Each is signed here from the description in
//! the S3 API reference, independently of the code under test, and then spoilt in every way.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    hmac::{self, HMAC_SHA256},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::{Secret, Timestamp, hex, sha256};
use casemate_sigv4::{
    Algorithm, Arrival, AuthError, Checksum, ChecksumAlgorithm, ChunkError, EMPTY_SHA256, Expected, Field,
    FormError, Head, PathStyle, PostForm, SKEW_S, SigningKeyCache, parse, verify, verify_chunked,
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

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

/// With the key of one day, region and service.
fn sign(text: &str) -> String {
    let mut key = format!("AWS4{}", secret().expose()).into_bytes();
    for part in ["20130524", "us-east-1", "s3", "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    hex(&mac(&key, text.as_bytes()))
}

/// With the P-256 key that belongs to the secret. AWS: the key of SigV4A is the first output of NIST SP 800-108 in counter
/// mode, plus one; that the first is below the order of the curve is true of this secret.
fn sign_asymmetric(text: &str) -> String {
    let label = b"AWS4-ECDSA-P256-SHA256\0";
    let input = [&[0, 0, 0, 1], label.as_slice(), KEY_ID.as_bytes(), &[1], &[0, 0, 1, 0]].concat();
    let mut private = mac(format!("AWS4A{}", secret().expose()).as_bytes(), &input);
    *private.last_mut().unwrap() += 1;
    let public = PrivateKey::from_private_key(&ECDH_P256, &private).unwrap().compute_public_key().unwrap();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, public.as_ref()).unwrap();
    hex(pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref())
}

/// An upload in chunks: its head and its body as sent.
struct Upload {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What proves the chunks.
#[derive(Clone, Copy, PartialEq)]
enum Chunks {
    Signed,
    SignedTrailer,
    UnsignedTrailer,
}

/// What proves the chunks, and what the head.
#[derive(Clone, Copy, PartialEq)]
struct Form {
    chunks: Chunks,
    by: Algorithm,
}

impl Form {
    const SIGNED: Self = Self { chunks: Chunks::Signed, by: Algorithm::Hmac };
    const SIGNED_TRAILER: Self = Self { chunks: Chunks::SignedTrailer, by: Algorithm::Hmac };
    const UNSIGNED_TRAILER: Self = Self { chunks: Chunks::UnsignedTrailer, by: Algorithm::Hmac };
    const ASYMMETRIC: Self = Self { chunks: Chunks::Signed, by: Algorithm::Ecdsa };
    const ASYMMETRIC_TRAILER: Self = Self { chunks: Chunks::SignedTrailer, by: Algorithm::Ecdsa };
    const ASYMMETRIC_HEAD: Self = Self { chunks: Chunks::UnsignedTrailer, by: Algorithm::Ecdsa };

    fn name(self) -> &'static str {
        match (self.chunks, self.by) {
            (Chunks::Signed, Algorithm::Hmac) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            (Chunks::SignedTrailer, Algorithm::Hmac) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            (Chunks::Signed, Algorithm::Ecdsa) => "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            (Chunks::SignedTrailer, Algorithm::Ecdsa) => "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
            (Chunks::UnsignedTrailer, _) => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }

    fn scope(self) -> &'static str {
        match self.by {
            Algorithm::Hmac => SCOPE,
            Algorithm::Ecdsa => "20130524/s3/aws4_request",
        }
    }

    fn has_trailer(self) -> bool {
        self.chunks != Chunks::Signed
    }

    /// The signature over what `what` says, as written in hexadecimal: `AWS4-…-PAYLOAD`, date, scope, the rest.
    fn sign(self, what: &str, rest: &str) -> String {
        let text = format!("{}{what}\n{DATE}\n{}\n{rest}", self.by.name(), self.scope());
        match self.by {
            Algorithm::Hmac => sign(&text),
            Algorithm::Ecdsa => sign_asymmetric(&text),
        }
    }
}

const ALL: [Form; 6] = [
    Form::SIGNED,
    Form::SIGNED_TRAILER,
    Form::UNSIGNED_TRAILER,
    Form::ASYMMETRIC,
    Form::ASYMMETRIC_TRAILER,
    Form::ASYMMETRIC_HEAD,
];
const ALL_SIGNED: [Form; 4] =
    [Form::SIGNED, Form::SIGNED_TRAILER, Form::ASYMMETRIC, Form::ASYMMETRIC_TRAILER];
const TRAILER: &str = "x-amz-checksum-crc32c";

fn crc32c(data: &[u8]) -> String {
    let mut checksum = Checksum::new(ChecksumAlgorithm::Crc32C);
    checksum.update(data);
    checksum.value()
}

/// Signs a head, of which `more` must come last in alphabetical order. Answers the signature, too.
fn signed_head(by: Form, content_sha256: &str, more: &[(&str, String)]) -> (Vec<(String, String)>, String) {
    let mut headers = vec![
        ("host".to_owned(), "s3.amazonaws.com".to_owned()),
        ("x-amz-content-sha256".to_owned(), content_sha256.to_owned()),
        ("x-amz-date".to_owned(), DATE.to_owned()),
    ];
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    if by.by == Algorithm::Ecdsa {
        headers.push(("x-amz-region-set".to_owned(), "us-east-1".to_owned()));
        headers.sort();
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let (names, lines) = (names.join(";"), lines.concat());
    let canonical = format!("PUT\n/bucket/key\n\n{lines}\n{names}\n{content_sha256}");
    let signature = by.sign("", &hex(&sha256(canonical.as_bytes())));
    let authorization = format!(
        "{} Credential={KEY_ID}/{}, SignedHeaders={names}, Signature={signature}",
        by.by.name(),
        by.scope()
    );
    headers.push(("authorization".to_owned(), authorization));
    (headers, signature)
}

fn upload(form: Form, chunks: &[&[u8]]) -> Upload {
    let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let mut more = vec![("x-amz-decoded-content-length", length.to_string())];
    if form.has_trailer() {
        more.push(("x-amz-trailer", TRAILER.to_owned()));
    }
    let (headers, seed) = signed_head(form, form.name(), &more);
    Upload { headers, body: body(form, chunks, &seed) }
}

fn body(form: Form, chunks: &[&[u8]], seed: &str) -> Vec<u8> {
    // AWS: an asymmetric signature is filled up to the longest one on the wire, and signed over without that.
    let wire = |signature: &str| match form.by {
        Algorithm::Hmac => signature.to_owned(),
        Algorithm::Ecdsa => format!("{signature:*<144}"),
    };
    let (mut out, mut previous) = (Vec::new(), seed.to_owned());
    for chunk in chunks.iter().copied().chain([[].as_slice()]) {
        let size = format!("{:x}", chunk.len());
        if form.chunks == Chunks::UnsignedTrailer {
            out.extend_from_slice(format!("{size}\r\n").as_bytes());
        } else {
            let (empty, sum) = (hex(&EMPTY_SHA256), hex(&sha256(chunk)));
            previous = form.sign("-PAYLOAD", &format!("{previous}\n{empty}\n{sum}"));
            out.extend_from_slice(format!("{size};chunk-signature={}\r\n", wire(&previous)).as_bytes());
        }
        if !chunk.is_empty() {
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
    }
    let value = crc32c(&chunks.concat());
    if form.has_trailer() {
        out.extend_from_slice(format!("{TRAILER}:{value}\r\n").as_bytes());
    }
    if form.chunks == Chunks::SignedTrailer {
        let sum = hex(&sha256(format!("{TRAILER}:{value}\n").as_bytes()));
        let signature = wire(&form.sign("-TRAILER", &format!("{previous}\n{sum}")));
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
    for form in ALL_SIGNED {
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

/// The chunks of a body as sent, each with its first line; the last is what follows the data.
fn pieces_of(form: Form, chunks: &[&[u8]]) -> (Vec<(String, String)>, Vec<Vec<u8>>) {
    let Upload { headers, mut body } = upload(form, chunks);
    let mut pieces = Vec::new();
    for chunk in chunks {
        let line = body.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let rest = body.split_off(line + chunk.len() + 2);
        pieces.push(std::mem::replace(&mut body, rest));
    }
    pieces.push(body);
    (headers, pieces)
}

#[test]
fn a_chunk_that_is_repeated_left_out_or_out_of_order_is_refused() {
    let (a, b) = (vec![b'a'; 8_192], vec![b'b'; 8_192]);
    for form in ALL_SIGNED {
        let (headers, pieces) = pieces_of(form, &[&a, &b]);
        let of = |order: &[usize], headers: &[(String, String)]| {
            let body = order.iter().flat_map(|at| pieces[*at].clone()).collect();
            Upload { headers: headers.to_vec(), body }.judge()
        };
        assert_eq!(of(&[0, 1, 2], &headers), Ok([a.as_slice(), &b].concat()), "{}", form.name());
        let refused = Err(Refusal::Body(ChunkError::SignatureDoesNotMatch));
        assert_eq!(of(&[1, 0, 2], &headers), refused, "{} swapped", form.name());
        assert_eq!(of(&[0, 0, 2], &headers), refused, "{} repeated", form.name());
        // Also where the length, which the head signs, is that of what is sent.
        let longer = upload(form, &[&a, &a, &b]).headers;
        assert_eq!(of(&[0, 0, 1, 2], &longer), refused, "{} repeated", form.name());
        let incomplete = Err(Refusal::Body(ChunkError::IncompleteBody));
        assert_eq!(of(&[0, 2], &headers), incomplete, "{} left out", form.name());
        let shorter = upload(form, &[&a]).headers;
        assert_eq!(of(&[0, 2], &shorter), refused, "{} left out", form.name());
    }
}

#[test]
fn the_trailer_of_another_body_is_refused() {
    for form in [Form::SIGNED_TRAILER, Form::ASYMMETRIC_TRAILER] {
        let (headers, mut pieces) = pieces_of(form, &[b"abc"]);
        let (_, other) = pieces_of(form, &[b"abd"]);
        let from = |piece: &[u8]| piece.windows(5).position(|bytes| bytes == b"x-amz").unwrap();
        let (kept, foreign) = (from(&pieces[1]), other[1][from(&other[1])..].to_vec());
        pieces[1].truncate(kept);
        pieces.push(foreign);
        let spliced = Upload { headers, body: pieces.concat() };
        let refused = Err(Refusal::Body(ChunkError::SignatureDoesNotMatch));
        assert_eq!(spliced.judge(), refused, "{}", form.name());
    }
}

#[test]
fn chunks_signed_the_one_way_are_not_taken_under_a_head_signed_the_other() {
    for chunks in [Chunks::Signed, Chunks::SignedTrailer] {
        let [mac, asymmetric] = [Algorithm::Hmac, Algorithm::Ecdsa].map(|by| Form { chunks, by });
        for (head, body) in [(mac, asymmetric), (asymmetric, mac)] {
            let mixed =
                Upload { headers: upload(head, &[b"abc"]).headers, body: upload(body, &[b"abc"]).body };
            assert!(mixed.judge().is_err(), "{} in {}", body.name(), head.name());
            // The head names the form of its chunks, and signs that name.
            let more = [("x-amz-decoded-content-length", "3".to_owned())];
            let trailer = body.has_trailer().then(|| ("x-amz-trailer", TRAILER.to_owned()));
            let more: Vec<_> = more.into_iter().chain(trailer).collect();
            let (headers, seed) = signed_head(head, body.name(), &more);
            let named = Upload { headers, body: self::body(body, &[b"abc"], &seed) };
            assert_eq!(named.judge(), Err(Refusal::Head(AuthError::BodyMismatch)), "{}", body.name());
        }
    }
}

#[test]
fn a_head_may_say_that_its_body_is_unsigned_for_one_service_only() {
    let keys = SigningKeyCache::new();
    for form in [Form::SIGNED, Form::ASYMMETRIC] {
        let judge = |headers: &[(String, String)], style: PathStyle, body: &[u8]| {
            let headers: Vec<(&str, &[u8])> =
                headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
            let head = Head { method: "PUT", target: "/bucket/key", headers: &headers };
            let claim = parse(&head)?.unwrap();
            let expected = Expected { path_style: style, ..expected() };
            let arrival = Arrival { at: NOW, body_sha256: &sha256(body) };
            verify(&head, &claim, &expected, &secret(), &keys, &arrival)
        };
        let (unsigned, _) = signed_head(form, "UNSIGNED-PAYLOAD", &[]);
        for body in [b"".as_slice(), b"anything", b"anything else"] {
            assert_eq!(judge(&unsigned, PathStyle::Raw, body), Ok(()));
            assert_eq!(judge(&unsigned, PathStyle::Normalise, body), Err(AuthError::BodyMismatch));
        }
        // Neither may somebody on the way declare a signed body to be unsigned, nor take the word out.
        let (signed, _) = signed_head(form, &hex(&sha256(b"abc")), &[]);
        assert_eq!(judge(&signed, PathStyle::Raw, b"abc"), Ok(()));
        assert_eq!(judge(&signed, PathStyle::Raw, b"abd"), Err(AuthError::BodyMismatch));
        let changed = |headers: &[(String, String)], value: &str| {
            let mut headers = headers.to_vec();
            headers.iter_mut().find(|(name, _)| name == "x-amz-content-sha256").unwrap().1 = value.to_owned();
            headers
        };
        let declared = judge(&changed(&signed, "UNSIGNED-PAYLOAD"), PathStyle::Raw, b"abd");
        assert_eq!(declared, Err(AuthError::SignatureDoesNotMatch));
        let bound = judge(&changed(&unsigned, &hex(&sha256(b"abd"))), PathStyle::Raw, b"abd");
        assert_eq!(bound, Err(AuthError::SignatureDoesNotMatch));
    }
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
    let more = Upload {
        headers: upload(Form::UNSIGNED_TRAILER, &[b"abc"]).headers,
        body: b"4\r\nabcd\r\n".to_vec(),
    };
    assert_eq!(more.judge(), Err(Refusal::Body(ChunkError::IncompleteBody)));
    let fewer =
        Upload { headers: upload(Form::UNSIGNED_TRAILER, &[b"abc"]).headers, body: b"0\r\n\r\n".to_vec() };
    assert_eq!(fewer.judge(), Err(Refusal::Body(ChunkError::IncompleteBody)));
}

#[test]
fn unsigned_chunks_must_have_the_checksum_of_the_trailer() {
    let right = crc32c(b"abc");
    let good = || upload(Form::UNSIGNED_TRAILER, &[b"abc"]);
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
    let signed = upload(Form::SIGNED_TRAILER, &[b"abc"]);
    let unsigned = upload(Form::UNSIGNED_TRAILER, &[b"abc"]);
    let one = Upload { headers: signed.headers.clone(), body: unsigned.body.clone() };
    assert_eq!(one.judge(), Err(Refusal::Body(ChunkError::SignatureDoesNotMatch)));
    let other = Upload { headers: unsigned.headers, body: signed.body };
    assert_eq!(other.judge(), Err(Refusal::Body(ChunkError::SignatureDoesNotMatch)));
    let relabelled = upload(Form::SIGNED_TRAILER, &[b"abc"])
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_eq!(relabelled.judge(), Err(Refusal::Head(AuthError::SignatureDoesNotMatch)));
    let without = upload(Form::SIGNED_TRAILER, &[b"abc"]);
    let text = String::from_utf8(without.body).unwrap();
    let (before, _) = text.split_once("x-amz-trailer-signature").unwrap();
    let cut = Upload { headers: without.headers, body: format!("{before}\r\n").into_bytes() };
    assert_eq!(cut.judge(), Err(Refusal::Body(ChunkError::SignatureDoesNotMatch)));
}

#[test]
fn chunks_are_for_one_service_only() {
    let whole = upload(Form::SIGNED, &[b"abc"]);
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
        let headers = upload(Form::SIGNED, &[b"abc"]).headers;
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
fn of_two_faults_of_a_form_the_earlier_in_the_order_of_aws_is_told() {
    // Date, time, parts of the scope, what they say, signature: each fault together with all that come after it.
    let mut form = posted(POLICY).with("X-Amz-Signature", &"0".repeat(64));
    let foreign = Expected { region: "eu-west-1", ..expected() };
    assert!(matches!(form.judge_for(&foreign), Err(FormError::Auth(AuthError::InvalidScope(_)))));
    form = form.with("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/aws4_request");
    let FormError::Auth(AuthError::IncompleteSignature(text)) = form.judge_for(&foreign).unwrap_err() else {
        panic!("a scope of two parts")
    };
    assert!(text.starts_with("Credential must have exactly 5 slash-delimited elements"), "{text}");
    form.at = NOW.plus_seconds(604_800);
    assert!(matches!(form.judge_for(&foreign), Err(FormError::Auth(AuthError::Expired(_)))));
    form.at = NOW.plus_seconds(-SKEW_S - 1);
    assert!(matches!(form.judge_for(&foreign), Err(FormError::Auth(AuthError::NotYetCurrent(_)))));
    form = form.with("X-Amz-Date", "today");
    let verdict = form.judge_for(&foreign);
    assert!(
        matches!(verdict, Err(FormError::Auth(AuthError::IncompleteSignature(text))) if text.contains("ISO-8601"))
    );
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
