//! Reading a claim of identity from a request head, in either placement. Judges syntax only: neither time, nor scope (not
//! even whether it can be read: time comes first), nor whether the claim is true.

use casemate_names::Timestamp;

use crate::{
    AuthError, CredentialScope, Head, PayloadHash,
    asymmetric::DER_BYTES_MAX,
    encoding::{self, Parameter, parse_hex, parse_hex32, same_name},
    scope::{Credential, ScopeFault},
};

/// The algorithms spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `AWS4-HMAC-SHA256`: SigV4.
    Hmac,
    /// `AWS4-ECDSA-P256-SHA256`: SigV4A, whose scope has no region; a set of regions is signed instead.
    Ecdsa,
}

impl Algorithm {
    /// As written in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hmac => "AWS4-HMAC-SHA256",
            Self::Ecdsa => "AWS4-ECDSA-P256-SHA256",
        }
    }

    fn named(text: &str) -> Result<Self, AuthError> {
        [Self::Hmac, Self::Ecdsa].into_iter().find(|algorithm| algorithm.name() == text).ok_or_else(|| {
            AuthError::IncompleteSignature(format!("Unsupported AWS 'algorithm': '{}'.", excerpt(text)))
        })
    }
}

/// Longest `X-Amz-Expires`, seconds. AWS: 7 days.
pub(crate) const MAX_EXPIRES_S: i64 = 604_800;

/// What a request says of its sender. Nothing in it is proved until [`verify`](crate::verify) says so.
#[derive(Debug, Clone)]
pub struct Claim {
    /// How it is signed.
    pub algorithm: Algorithm,
    /// E.g. `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// When the request says it was signed.
    pub date: Timestamp,
    /// The credential scope; empty where it cannot be read, which [`check`](crate::check) refuses.
    pub scope: CredentialScope,
    /// The session token of temporary credentials, from the header or the query.
    pub session_token: Option<String>,
    /// Where the signature was found.
    pub placement: Placement,
    /// How long a presigned request is good for, seconds; `None` in the header form.
    pub expires_s: Option<i64>,
    /// What is said of the body.
    pub payload: PayloadHash,
    /// The date as sent, for the string to sign.
    pub(crate) date_text: String,
    /// What is wrong with the form of the scope.
    pub(crate) scope_fault: Option<ScopeFault>,
    /// Semicolon-separated, lower-case, ascending.
    pub(crate) signed_headers: String,
    /// `X-Amz-Region-Set`: where a [`Algorithm::Ecdsa`] signature is good.
    pub(crate) region_set: Option<String>,
    pub(crate) signature: Signature,
}

impl Claim {
    /// The service that the claim says it is for; nothing where its scope cannot be read.
    pub fn service(&self) -> Option<&str> {
        Some(self.scope.service.as_str()).filter(|_| !matches!(self.scope_fault, Some(ScopeFault::Parts(_))))
    }
}

/// A signature as claimed. `None` is one that cannot be read, e.g. for upper-case digits: it matches nothing.
#[derive(Debug, Clone)]
pub(crate) enum Signature {
    Mac(Option<[u8; 32]>),
    Der(Option<Vec<u8>>),
}

impl Signature {
    pub(crate) fn read(algorithm: Algorithm, text: &str) -> Self {
        match algorithm {
            Algorithm::Hmac => Self::Mac(parse_hex32(text.as_bytes())),
            Algorithm::Ecdsa => Self::Der(parse_hex(text.as_bytes(), DER_BYTES_MAX)),
        }
    }
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The `Authorization` header.
    Header,
    /// A presigned query string.
    Query,
    /// The fields of a browser form.
    Form,
}

/// Looks for a signature in either placement. `Ok(None)` means there is none: the caller is anonymous.
///
/// An `Authorization` header of another scheme (`Bearer …`) is no signature; older AWS schemes are refused.
pub fn parse(head: &Head<'_>) -> Result<Option<Claim>, AuthError> {
    let (_, query) = encoding::split_target(head.target);
    let parameters = encoding::parameters(query)
        .map_err(|_| AuthError::IncompleteSignature("The query string is malformed.".to_owned()))?;
    let authorization = signature_header(head)?;
    let presigned = parameters.iter().any(|(name, _)| PRESIGN_MARKS.contains(&name.as_ref()));
    match (authorization, presigned) {
        (None, false) => Ok(None),
        (Some(_), true) => {
            Err(AuthError::DuplicateAuth("an Authorization header and a presigned query string"))
        }
        (Some(value), false) => from_header(head, value).map(Some),
        (None, true) => from_query(head, &parameters).map(Some),
    }
}

/// Any of these makes a query string a presigned one.
const PRESIGN_MARKS: [&[u8]; 3] = [b"X-Amz-Signature", b"X-Amz-Algorithm", b"X-Amz-Credential"];

/// The value of the one `Authorization` header that holds a signature.
fn signature_header<'a>(head: &Head<'a>) -> Result<Option<&'a str>, AuthError> {
    let Some(value) = one_header(head, "authorization")? else { return Ok(None) };
    let text = value.trim_ascii();
    let is_ours = text.starts_with(b"AWS4-") || text.starts_with(b"AWS3") || text.starts_with(b"AWS ");
    if !is_ours {
        return Ok(None);
    }
    match std::str::from_utf8(text) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(AuthError::IncompleteSignature("The Authorization header is not text.".to_owned())),
    }
}

/// The value of a header that may be given once.
/// DIVERGES: AWS takes one of several; a request that says two things about who sent it is refused here.
fn one_header<'a>(head: &Head<'a>, name: &'static str) -> Result<Option<&'a [u8]>, AuthError> {
    let mut found = head.headers.iter().filter(|(n, _)| same_name(n, name));
    let first = found.next().map(|(_, value)| value.trim_ascii());
    if found.next().is_some() { Err(AuthError::DuplicateAuth(name)) } else { Ok(first) }
}

fn one_text_header<'a>(head: &Head<'a>, name: &'static str) -> Result<Option<&'a str>, AuthError> {
    one_header(head, name)?
        .map(|value| std::str::from_utf8(value))
        .transpose()
        .map_err(|_| AuthError::IncompleteSignature(format!("The {name} header is not text.")))
}

fn from_header(head: &Head<'_>, authorization: &str) -> Result<Claim, AuthError> {
    let (algorithm, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let algorithm = Algorithm::named(algorithm)?;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in encoding::long_pieces(rest, ',').map(str::trim).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').ok_or_else(|| {
            // AWS: as STS words it; the header itself is not echoed here, it may hold a signature.
            AuthError::IncompleteSignature(format!(
                "'{}' not a valid key=value pair (missing equal-sign) in Authorization header.",
                excerpt(field)
            ))
        })?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(AuthError::IncompleteSignature(format!("'{}' is not known.", excerpt(name)))),
        };
        if slot.replace(value).is_some() {
            return Err(AuthError::DuplicateAuth("a field of the Authorization header"));
        }
    }
    let date = match one_text_header(head, "x-amz-date")? {
        Some(date) => Some(date),
        None => one_text_header(head, "date")?,
    };
    let (Some(credential), Some(signed_headers), Some(signature), Some(date)) =
        (credential, signed_headers, signature, date)
    else {
        return Err(missing_in_header(credential, signature, signed_headers, date));
    };
    let region_set = one_text_header(head, "x-amz-region-set")?;
    let raw = Raw { algorithm, credential, signed_headers, signature, date, region_set };
    let token = one_text_header(head, "x-amz-security-token")?.map(str::to_owned);
    let payload = PayloadHash::read(one_header(head, "x-amz-content-sha256")?);
    raw.claim(Placement::Header, None, token, payload)
}

/// AWS: all that is missing is listed, in this order.
fn missing_in_header(
    credential: Option<&str>,
    signature: Option<&str>,
    signed_headers: Option<&str>,
    date: Option<&str>,
) -> AuthError {
    let mut missing = Vec::new();
    for (name, value) in
        [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)]
    {
        if value.is_none() {
            missing.push(format!("Authorization header requires '{name}' parameter."));
        }
    }
    if date.is_none() {
        let text = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
        missing.push(text.to_owned());
    }
    AuthError::IncompleteSignature(missing.join(" "))
}

fn from_query(head: &Head<'_>, parameters: &[Parameter<'_>]) -> Result<Claim, AuthError> {
    let algorithm = one_parameter(parameters, "X-Amz-Algorithm")?;
    let credential = one_parameter(parameters, "X-Amz-Credential")?;
    let signature = one_parameter(parameters, "X-Amz-Signature")?;
    let signed_headers = one_parameter(parameters, "X-Amz-SignedHeaders")?;
    let date = one_parameter(parameters, "X-Amz-Date")?;
    let expires = one_parameter(parameters, "X-Amz-Expires")?;
    let token = one_parameter(parameters, "X-Amz-Security-Token")?;
    let (Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date), Some(expires)) =
        (algorithm, credential, signature, signed_headers, date, expires)
    else {
        return Err(AuthError::IncompleteSignature(
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', \
             'X-Amz-SignedHeaders', 'X-Amz-Date' and 'X-Amz-Expires'. Re-examine the query-string parameters."
                .to_owned(),
        ));
    };
    let algorithm = Algorithm::named(algorithm)?;
    if one_header(head, "x-amz-security-token")?.is_some() {
        return Err(AuthError::DuplicateAuth("X-Amz-Security-Token beside a presigned query string"));
    }
    let expires_s = Some(expires)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse::<i64>().ok())
        .filter(|seconds| (1..=MAX_EXPIRES_S).contains(seconds))
        .ok_or_else(|| {
            AuthError::IncompleteSignature(format!(
                "X-Amz-Expires must be between 1 and {MAX_EXPIRES_S} seconds."
            ))
        })?;
    let in_header = one_header(head, "x-amz-content-sha256")?;
    let in_query = one_parameter(parameters, "X-Amz-Content-Sha256")?.map(str::as_bytes);
    if in_header.is_some() && in_query.is_some() {
        return Err(AuthError::DuplicateAuth("x-amz-content-sha256"));
    }
    let region_set = one_parameter(parameters, "X-Amz-Region-Set")?;
    let raw = Raw { algorithm, credential, signed_headers, signature, date, region_set };
    let payload = PayloadHash::read(in_header.or(in_query));
    raw.claim(Placement::Query, Some(expires_s), token.map(str::to_owned), payload)
}

/// DIVERGES: AWS takes the first of several; see [`one_header`].
fn one_parameter<'a>(
    parameters: &'a [Parameter<'_>],
    name: &'static str,
) -> Result<Option<&'a str>, AuthError> {
    let mut found = parameters.iter().filter(|(n, _)| n.as_ref() == name.as_bytes());
    let Some((_, value)) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(AuthError::DuplicateAuth(name));
    }
    std::str::from_utf8(value)
        .map(Some)
        .map_err(|_| AuthError::IncompleteSignature(format!("The parameter {name} is not text.")))
}

/// The texts common to both placements, before they are looked into.
struct Raw<'a> {
    algorithm: Algorithm,
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    date: &'a str,
    region_set: Option<&'a str>,
}

impl Raw<'_> {
    fn claim(
        &self,
        placement: Placement,
        expires_s: Option<i64>,
        session_token: Option<String>,
        payload: PayloadHash,
    ) -> Result<Claim, AuthError> {
        self.check_signed_headers()?;
        let date = Timestamp::parse_amz_date(self.date).map_err(|_| {
            AuthError::IncompleteSignature(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                excerpt(self.date)
            ))
        })?;
        let credential = Credential::read(self.algorithm, self.credential);
        Ok(Claim {
            algorithm: self.algorithm,
            access_key_id: credential.access_key_id.to_owned(),
            date,
            scope: credential.scope,
            session_token,
            placement,
            expires_s,
            payload,
            date_text: self.date.to_owned(),
            scope_fault: credential.fault,
            signed_headers: self.signed_headers.to_owned(),
            region_set: self.region_set.map(str::to_owned),
            signature: Signature::read(self.algorithm, self.signature),
        })
    }

    /// Lower case, strictly ascending, `host` among them.
    fn check_signed_headers(&self) -> Result<(), AuthError> {
        let legal = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':';
        // Without leaving early, so that many bytes are looked at in one step.
        let all_legal = self.signed_headers.bytes().fold(true, |all, byte| all & legal(byte));
        let (mut before, mut host, mut well_formed) = ("", false, all_legal);
        for name in encoding::pieces(self.signed_headers, b';') {
            // Every name comes after the empty one, which is none.
            well_formed &= before < name;
            host |= name == "host";
            before = name;
        }
        if !well_formed {
            return Err(AuthError::IncompleteSignature(
                "SignedHeaders must be lower-case header names in ascending order.".to_owned(),
            ));
        }
        if !host {
            return Err(AuthError::IncompleteSignature(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Client text in an error is cut at this many characters.
const EXCERPT_CHARS: usize = 80;

pub(crate) fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(EXCERPT_CHARS).collect()
}
