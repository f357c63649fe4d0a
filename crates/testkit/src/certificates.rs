//! X.509 certificates for tests, made anew each time.

use rcgen::{
    CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd,
};

/// What keys are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa,
    /// The curve P-256.
    P256,
}

/// A certificate and its private key.
#[derive(Debug)]
pub struct CertificateAndKey {
    /// PEM
    pub body: String,
    /// PKCS #8 in PEM
    pub key: String,
    parameters: CertificateParams,
}

impl CertificateAndKey {
    /// One that is good from the beginning of one year to that of another, signed by `issuer` or by itself.
    pub fn new(name: &str, kind: KeyKind, years: (i32, i32), issuer: Option<&Self>) -> Self {
        let algorithm = match kind {
            KeyKind::Rsa => &PKCS_RSA_SHA256,
            KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
        };
        let key = KeyPair::generate_for(algorithm).expect("a key is made");
        let mut parameters = CertificateParams::new([name.to_owned()]).expect("the name is one");
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.not_before = date_time_ymd(years.0, 1, 1);
        parameters.not_after = date_time_ymd(years.1, 1, 1);
        let made = match issuer {
            None => parameters.self_signed(&key),
            Some(issuer) => {
                let with = KeyPair::from_pem(&issuer.key).expect("it was made here");
                parameters.signed_by(&key, &Issuer::from_params(&issuer.parameters, with))
            }
        };
        Self { body: made.expect("it is signed").pem(), key: key.serialize_pem(), parameters }
    }
}
