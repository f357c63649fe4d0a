//! What a token says of the caller to strangers. Who signs it, the identity service decides.

use casemate_kernel::{Caller, TokenAlgorithm};
use casemate_names::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::{Error, GetWebIdentityTokenInput};

/// Everything that is AWS's own lies under this name.
// AWS: IAM User Guide, "Understanding token claims".
const NAMESPACE: &str = "https://sts.amazonaws.com/";

/// Unless asked for otherwise, seconds.
// AWS: STS API reference, GetWebIdentityToken, `DurationSeconds`.
pub(crate) const DURATION_S_DEFAULT: i32 = 300;

/// Bytes of the claims. Ours: AWS publishes no number; what is signed here can be read by everybody who reads ours.
const PAYLOAD_BYTES_MAX: usize = 12_000;

/// How the token shall be signed.
// AWS: STS API reference, GetWebIdentityToken, `SigningAlgorithm`.
pub(crate) fn algorithm(named: &str) -> Result<TokenAlgorithm, Error> {
    match named {
        "RS256" => Ok(TokenAlgorithm::Rs256),
        "ES384" => Ok(TokenAlgorithm::Es384),
        _ => Err(Error::Validation("SigningAlgorithm must be RS256 or ES384.".to_owned())),
    }
}

/// When the token ends. A session's token does not outlive the session.
pub(crate) fn expires_at(
    duration_s: Option<i32>,
    caller: &Caller,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let expires_at = now.plus_seconds(i64::from(duration_s.unwrap_or(DURATION_S_DEFAULT)));
    let ends_at = if let Caller::Role(session) = caller { Some(session.expires_at) } else { None };
    if ends_at.is_some_and(|ends_at| expires_at > ends_at) {
        // AWS: the text of the error's documentation.
        return Err(Error::session_duration_escalation_exception(
            "The requested token duration would extend the session beyond its original expiration time.",
        ));
    }
    Ok(expires_at)
}

/// What is known of a caller besides what the caller is.
pub(crate) struct Known {
    pub(crate) region: String,
    /// Of users and roles, session tags included.
    pub(crate) principal_tags: Vec<(String, String)>,
    /// Id of the account's organisation, and where in it the account stands.
    pub(crate) organization: Option<(String, String)>,
    pub(crate) token_id: String,
}

/// The claims, but for the issuer's name.
pub(crate) fn claims(
    input: &GetWebIdentityTokenInput,
    caller: &Caller,
    (now, expires_at): (Timestamp, Timestamp),
    known: Known,
) -> Result<Map<String, Value>, Error> {
    let subject = match caller {
        // AWS: of a role session it is the role, with its path.
        Caller::Role(session) => session.role_arn.as_str().to_owned(),
        other => other.arn_text(),
    };
    let mut own = Map::new();
    let account = caller.account().map(|account| account.as_str().to_owned());
    own.insert("aws_account".to_owned(), account.into());
    own.insert("source_region".to_owned(), known.region.into());
    own.insert("principal_id".to_owned(), subject.clone().into());
    if let Some((id, path)) = known.organization {
        own.insert("org_id".to_owned(), id.into());
        own.insert("ou_path".to_owned(), path.into());
    }
    let given = input.tags.iter().flatten().map(|tag| (tag.key.clone(), tag.value.clone()));
    for (name, tags) in [("principal_tags", known.principal_tags), ("request_tags", given.collect())] {
        if !tags.is_empty() {
            let tags: Map<String, Value> = tags.into_iter().map(|(key, value)| (key, value.into())).collect();
            own.insert(name.to_owned(), tags.into());
        }
    }
    if let Caller::Role(session) = caller
        && let Some(function) = &session.source_function
    {
        own.insert("lambda_source_function_arn".to_owned(), function.as_str().into());
    }
    let audience = match input.audience.as_slice() {
        [one] => json!(one),
        several => json!(several),
    };
    let claims = Map::from_iter([
        ("aud".to_owned(), audience),
        ("sub".to_owned(), subject.into()),
        ("iat".to_owned(), now.seconds().into()),
        ("exp".to_owned(), expires_at.seconds().into()),
        ("jti".to_owned(), known.token_id.into()),
        (NAMESPACE.to_owned(), own.into()),
    ]);
    if Value::Object(claims.clone()).to_string().len() > PAYLOAD_BYTES_MAX {
        // AWS: the text of the error's documentation.
        return Err(Error::jwt_payload_size_exceeded_exception(
            "The requested token payload size exceeds the maximum allowed size.",
        ));
    }
    Ok(claims)
}
