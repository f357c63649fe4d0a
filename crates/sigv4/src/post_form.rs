//! The browser form: an upload whose fields are held against a signed policy. Knows fields, not how a form is encoded.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::{Secret, Timestamp};

use crate::{
    Algorithm, AuthError, Claim, Expected, PathStyle, PayloadHash, Placement, claim::Signature,
    post_policy::PostPolicy, scope::Credential, verify::verify_text,
};

/// Bytes of all names and values but the file's. AWS: S3 API reference, "POST Object": 20 KB.
const FIELDS_BYTES_MAX: usize = 20 * 1024;

/// Fields before the file. Ours: one for every header an object can have, several times over.
const FIELDS_MAX: usize = 100;

/// A field of the form before the file; what follows the file does not count.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// As sent; case does not matter.
    pub name: &'a str,
    /// As sent.
    pub value: &'a str,
}

/// Why a form is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormError {
    /// The claim of identity.
    Auth(AuthError),
    /// The policy is not one (S3: `InvalidPolicyDocument`, 400).
    InvalidPolicy(String),
    /// The policy does not allow this form (S3: `AccessDenied`, 403).
    Refused(String),
    /// The file is longer than the policy allows (S3: `EntityTooLarge`, 400).
    TooLarge {
        /// Bytes allowed.
        max: u64,
    },
    /// The file is shorter than the policy demands (S3: `EntityTooSmall`, 400).
    TooSmall {
        /// Bytes demanded.
        min: u64,
    },
}

impl From<AuthError> for FormError {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl std::fmt::Display for FormError {
    // AWS: S3 API reference, "Error responses", and the texts of its POST Object answers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
            Self::InvalidPolicy(why) => write!(f, "Invalid Policy: {why}"),
            Self::Refused(why) => write!(f, "Invalid according to Policy: {why}"),
            Self::TooLarge { .. } => f.write_str("Your proposed upload exceeds the maximum allowed size"),
            Self::TooSmall { .. } => {
                f.write_str("Your proposed upload is smaller than the minimum allowed size")
            }
        }
    }
}

impl std::error::Error for FormError {}

/// A form that claims to be signed.
#[derive(Debug)]
pub struct PostForm<'a> {
    claim: Claim,
    policy_base64: &'a str,
    fields: &'a [Field<'a>],
}

impl<'a> PostForm<'a> {
    /// Looks for a signature among the fields. `Ok(None)` means that there is none: the caller is anonymous.
    pub fn read(fields: &'a [Field<'a>]) -> Result<Option<Self>, FormError> {
        let bytes: usize = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
        if bytes > FIELDS_BYTES_MAX || fields.len() > FIELDS_MAX {
            let text = "Your POST request fields preceding the upload file were too large.";
            return Err(FormError::InvalidPolicy(text.to_owned()));
        }
        if let Some(twice) = repeated(fields) {
            return Err(FormError::Refused(format!("The field '{twice}' is given twice.")));
        }
        let incomplete =
            |name: &str| AuthError::IncompleteSignature(format!("The form needs the field '{name}'."));
        let value = |name: &str| {
            fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
        };
        // `signature` is that of the older form, which is not spoken: it must not pass for anonymous.
        let marks = ["policy", "x-amz-signature", "x-amz-credential", "x-amz-algorithm", "signature"];
        if marks.iter().all(|name| value(name).is_none()) {
            return Ok(None);
        }
        let need = |name: &str| value(name).ok_or_else(|| incomplete(name));
        let (algorithm, credential) = (need("x-amz-algorithm")?, need("x-amz-credential")?);
        let (date_text, signature) = (need("x-amz-date")?, need("x-amz-signature")?);
        let policy_base64 = need("policy")?;
        if algorithm != Algorithm::Hmac.name() {
            return Err(AuthError::IncompleteSignature(
                "Unsupported AWS 'algorithm' in the form.".to_owned(),
            )
            .into());
        }
        let date = Timestamp::parse_amz_date(date_text).map_err(|_| {
            AuthError::IncompleteSignature("X-Amz-Date must be in ISO-8601 'basic format'.".to_owned())
        })?;
        let credential = Credential::read(Algorithm::Hmac, credential);
        let claim = Claim {
            algorithm: Algorithm::Hmac,
            access_key_id: credential.access_key_id.to_owned(),
            date,
            scope: credential.scope,
            session_token: value("x-amz-security-token").map(str::to_owned),
            placement: Placement::Form,
            expires_s: None,
            payload: PayloadHash::Absent,
            date_text: date_text.to_owned(),
            scope_fault: credential.fault,
            signed_headers: String::new(),
            region_set: None,
            signature: Signature::read(Algorithm::Hmac, signature),
        };
        Ok(Some(Self { claim, policy_base64, fields }))
    }

    /// Who the form says it is from.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Judges the signature, then the policy. The session token, and what the access key stands for, are the caller's to
    /// judge.
    pub fn verify(
        &self,
        expected: &Expected<'_>,
        secret: &Secret<String>,
        bucket: &str,
        file_bytes: u64,
        now: Timestamp,
    ) -> Result<(), FormError> {
        if expected.path_style != PathStyle::Raw {
            return Err(AuthError::SignatureDoesNotMatch.into());
        }
        verify_text(&self.claim, expected, secret, self.policy_base64.as_bytes(), now)?;
        let json = STANDARD
            .decode(self.policy_base64)
            .map_err(|_| FormError::InvalidPolicy("Invalid Base64 encoding.".to_owned()))?;
        PostPolicy::read(&json)?.check(self.fields, bucket, file_bytes, now)
    }
}

/// DIVERGES: S3 takes one of several; what the policy is held against must be what is stored.
fn repeated<'a>(fields: &[Field<'a>]) -> Option<&'a str> {
    let same = |a: &Field<'_>, b: &Field<'_>| a.name.eq_ignore_ascii_case(b.name);
    let mut rest = fields;
    while let Some((field, others)) = rest.split_first() {
        if others.iter().any(|other| same(field, other)) {
            return Some(field.name);
        }
        rest = others;
    }
    None
}
