//! The credential of a claim: who signs, and for which day, region and service. Judges syntax only.

use crate::{
    AuthError,
    claim::{Algorithm, excerpt},
    encoding::pieces,
};

/// How every scope ends.
const TERMINATOR: &str = "aws4_request";

/// Date, region and service a signing key was derived for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialScope {
    /// `YYYYMMDD`.
    pub date: String,
    /// As claimed; empty for [`Algorithm::Ecdsa`].
    pub region: String,
    /// The signing name, as claimed.
    pub service: String,
}

impl CredentialScope {
    /// As written in requests and strings to sign: `20261124/us-east-1/sts/aws4_request`.
    pub(crate) fn push_to(&self, out: &mut String) {
        for part in [&self.date, &self.region, &self.service] {
            // Asymmetric signatures have no region here.
            if !part.is_empty() {
                out.push_str(part);
                out.push('/');
            }
        }
        out.push_str(TERMINATOR);
    }
}

/// A credential, taken apart.
pub(crate) struct Credential<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) scope: CredentialScope,
    /// The last part, where it is not the `aws4_request` it must be.
    pub(crate) wrong_terminator: Option<String>,
}

impl<'a> Credential<'a> {
    pub(crate) fn read(algorithm: Algorithm, text: &'a str) -> Result<Self, AuthError> {
        let mut parts = pieces(text, b'/');
        let mut part = || parts.next();
        let six = [part(), part(), part(), part(), part(), part()];
        let (access_key_id, date, region, service, terminator) = match (algorithm, six) {
            (Algorithm::Hmac, [Some(id), Some(date), Some(region), Some(service), Some(end), None]) => {
                (id, date, region, service, end)
            }
            (Algorithm::Ecdsa, [Some(id), Some(date), Some(service), Some(end), None, None]) => {
                (id, date, "", service, end)
            }
            (Algorithm::Hmac, _) => {
                return Err(AuthError::IncompleteSignature(format!(
                    "Credential must have exactly 5 slash-delimited elements, e.g. \
                     keyid/date/region/service/term, got '{}'",
                    excerpt(text)
                )));
            }
            (Algorithm::Ecdsa, _) => {
                return Err(AuthError::IncompleteSignature(format!(
                    "Credential must have exactly 4 slash-delimited elements, e.g. keyid/date/service/term, got '{}'",
                    excerpt(text)
                )));
            }
        };
        Ok(Self {
            access_key_id,
            scope: CredentialScope {
                date: date.to_owned(),
                region: region.to_owned(),
                service: service.to_owned(),
            },
            wrong_terminator: (terminator != TERMINATOR).then(|| terminator.to_owned()),
        })
    }
}
