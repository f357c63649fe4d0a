//! X.509 certificates (RFC 5280 §4.1) as far as they say whose key it is, from when to when, and who signed them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    VerificationAlgorithm,
};
use casemate_names::Timestamp;

use crate::der::{BIT_STRING, Element, INTEGER, SEQUENCE, element, only};

/// `[0] EXPLICIT`: the version of a certificate.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// `sha256WithRSAEncryption` and its two siblings, RFC 8017 appendix C.
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const RSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c];
const RSA_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d];
/// `ecdsa-with-SHA256` and `ecdsa-with-SHA384`, RFC 5758 §3.2.
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
/// `id-Ed25519`, RFC 8410 §3.
const ED25519_ID: &[u8] = &[0x2b, 0x65, 0x70];

/// A certificate that could be read. Nothing has verified it.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// What its issuer signed.
    signed: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    /// `SubjectPublicKeyInfo`
    key: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    /// It is good from this second on.
    pub not_before: Timestamp,
    /// It is good up to this second.
    pub not_after: Timestamp,
}

impl<'a> Certificate<'a> {
    /// Reads one certificate in DER.
    // RFC 5280 §4.1: Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { [0] version, serialNumber, signature, issuer,
    // validity, subject, subjectPublicKeyInfo, … }, signatureAlgorithm, signatureValue }
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let signed = element(only(der, SEQUENCE)?, SEQUENCE)?;
        let fields = Fields::parse(signed.content)?;
        let algorithm = element(signed.rest, SEQUENCE)?;
        // Both places that name the algorithm must name the same (RFC 5280 §4.1.1.2).
        if algorithm.whole != fields.algorithm {
            return None;
        }
        let not_before = time(fields.validity)?;
        let not_after = time(not_before.rest)?;
        let good = not_after.rest.is_empty();
        good.then_some(Self {
            signed: signed.whole,
            issuer: fields.issuer,
            subject: fields.subject,
            key: fields.key,
            algorithm: element(algorithm.content, OBJECT_IDENTIFIER)?.content,
            signature: only(algorithm.rest, BIT_STRING)?.strip_prefix(&[0])?,
            not_before: not_before.at,
            not_after: not_after.at,
        })
    }

    /// The bits of its key, without what names their algorithm: a `RSAPublicKey`, or a point.
    pub fn key_bits(&self) -> Option<&'a [u8]> {
        let algorithm = element(only(self.key, SEQUENCE)?, SEQUENCE)?;
        only(algorithm.rest, BIT_STRING)?.strip_prefix(&[0])
    }

    /// Did the key of `issuer` sign this certificate, and does it name that one as its issuer? With RSA of 2048 bits or
    /// more or elliptic curves, and SHA-2; anything else is no signature.
    pub fn is_signed_by(&self, issuer: &Certificate<'_>) -> bool {
        self.issuer == issuer.subject
            && algorithms(self.algorithm).iter().any(|algorithm| {
                ParsedPublicKey::new(*algorithm, issuer.key)
                    .is_ok_and(|key| key.verify_sig(self.signed, self.signature).is_ok())
            })
    }
}

/// The `SubjectPublicKeyInfo` of a certificate in DER; `None` if it has none. Reads nothing of the rest.
pub fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let signed = element(only(certificate, SEQUENCE)?, SEQUENCE)?;
    Fields::parse(signed.content).map(|fields| fields.key)
}

struct Fields<'a> {
    algorithm: &'a [u8],
    issuer: &'a [u8],
    /// The two times.
    validity: &'a [u8],
    subject: &'a [u8],
    key: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(signed: &'a [u8]) -> Option<Self> {
        let rest = element(signed, VERSION).map_or(signed, |version| version.rest);
        let algorithm = element(element(rest, INTEGER)?.rest, SEQUENCE)?;
        let issuer = element(algorithm.rest, SEQUENCE)?;
        let validity = element(issuer.rest, SEQUENCE)?;
        let subject = element(validity.rest, SEQUENCE)?;
        let key = element(subject.rest, SEQUENCE)?;
        Some(Self {
            algorithm: algorithm.whole,
            issuer: issuer.whole,
            validity: validity.content,
            subject: subject.whole,
            key: key.whole,
        })
    }
}

fn algorithms(identifier: &[u8]) -> &'static [&'static dyn VerificationAlgorithm] {
    match identifier {
        RSA_SHA256 => &[&RSA_PKCS1_2048_8192_SHA256],
        RSA_SHA384 => &[&RSA_PKCS1_2048_8192_SHA384],
        RSA_SHA512 => &[&RSA_PKCS1_2048_8192_SHA512],
        ECDSA_SHA256 => &[&ECDSA_P256_SHA256_ASN1, &ECDSA_P384_SHA256_ASN1],
        ECDSA_SHA384 => &[&ECDSA_P384_SHA384_ASN1, &ECDSA_P256_SHA384_ASN1],
        ED25519_ID => &[&ED25519],
        _ => &[],
    }
}

struct Time<'a> {
    at: Timestamp,
    rest: &'a [u8],
}

/// Reads a time, in UTC and to the second (RFC 5280 §4.1.2.5).
fn time(der: &[u8]) -> Option<Time<'_>> {
    let (Element { content, rest, .. }, short) = match element(der, UTC_TIME) {
        Some(found) => (found, true),
        None => (element(der, GENERALIZED_TIME)?, false),
    };
    let digits = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, others) = digits.split_at_checked(if short { 2 } else { 4 })?;
    let year: i64 = year.parse().ok()?;
    let year = match (short, year) {
        (true, 50..) => year.checked_add(1900)?,
        (true, _) => year.checked_add(2000)?,
        (false, _) => year,
    };
    let two = |at: usize| others.get(at..at.checked_add(2)?)?.parse::<u32>().ok();
    if others.len() != 10 {
        return None;
    }
    Timestamp::from_civil(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?).map(|at| Time { at, rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::made;

    fn read(tag: u8, text: &str) -> Option<String> {
        let der = made(tag, text.as_bytes()).unwrap();
        time(&der).map(|time| time.at.iso8601())
    }

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(read(UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(read(UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(read(GENERALIZED_TIME, "99991231235959Z").as_deref(), Some("9999-12-31T23:59:59Z"));
        for (tag, text) in [
            (UTC_TIME, "491231235959"),
            (UTC_TIME, "491331235959Z"),
            (UTC_TIME, "4912312359Z"),
            (UTC_TIME, "+91231235959Z"),
            (GENERALIZED_TIME, "491231235959Z"),
            (GENERALIZED_TIME, "20491231235959.5Z"),
            (INTEGER, "491231235959Z"),
        ] {
            assert_eq!(read(tag, text), None, "{text}");
        }
    }
}
