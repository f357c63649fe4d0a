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

/// What is wrong with the form of a credential. The time of a claim is judged first, and a claim without a readable
/// scope is of no use to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScopeFault {
    /// Too few parts or too many: what was sent, cut short.
    Parts(String),
    /// The last part is this instead of `aws4_request`.
    Terminator(String),
}

/// A credential, taken apart.
pub(crate) struct Credential<'a> {
    /// The first part, whatever follows.
    pub(crate) access_key_id: &'a str,
    /// Empty where it cannot be read.
    pub(crate) scope: CredentialScope,
    pub(crate) fault: Option<ScopeFault>,
}

impl<'a> Credential<'a> {
    pub(crate) fn read(algorithm: Algorithm, text: &'a str) -> Self {
        let mut parts = pieces(text, b'/');
        let mut part = || parts.next();
        let six = [part(), part(), part(), part(), part(), part()];
        let (access_key_id, [date, region, service], fault) = match (algorithm, six) {
            (Algorithm::Hmac, [Some(id), Some(date), Some(region), Some(service), Some(end), None]) => {
                (id, [date, region, service], wrong_end(end))
            }
            (Algorithm::Ecdsa, [Some(id), Some(date), Some(service), Some(end), None, None]) => {
                (id, [date, "", service], wrong_end(end))
            }
            (_, [id, ..]) => (id.unwrap_or_default(), [""; 3], Some(ScopeFault::Parts(excerpt(text)))),
        };
        let [date, region, service] = [date, region, service].map(str::to_owned);
        Self { access_key_id, scope: CredentialScope { date, region, service }, fault }
    }
}

fn wrong_end(end: &str) -> Option<ScopeFault> {
    (end != TERMINATOR).then(|| ScopeFault::Terminator(end.to_owned()))
}

/// The refusal of a credential that does not have the parts it must have.
pub(crate) fn wrong_parts(algorithm: Algorithm, sent: &str) -> AuthError {
    let (count, example) = match algorithm {
        Algorithm::Hmac => (5, "keyid/date/region/service/term"),
        Algorithm::Ecdsa => (4, "keyid/date/service/term"),
    };
    AuthError::IncompleteSignature(format!(
        "Credential must have exactly {count} slash-delimited elements, e.g. {example}, got '{sent}'"
    ))
}
