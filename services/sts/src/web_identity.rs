//! From a token of an OpenID Connect provider to an identity. Every step can only refuse; the order is: whose keys, whose
//! signature, which time, for whom, about whom.

use casemate_jose::{InvalidToken, Verified, claimed_issuer, verify};
use casemate_kernel::{IdentityProvider, KeyValue, WebIdentity};
use casemate_names::{AccountId, Arn, Timestamp};
use serde_json::{Map, Value};

use crate::{
    Sts,
    api::Error,
    asserted::{AssertedTags, check_source_identity, check_tags},
    resource::oidc_provider_arn,
};

/// Tolerance for the clocks of issuers where a token's time begins, seconds. None where it ends.
const START_LEEWAY_S: i64 = 300;

// AWS: IAM User Guide, "Pass session tags", "Passing session tags using AssumeRoleWithWebIdentity".
const TAGS: &str = "https://aws.amazon.com/tags";
// AWS: IAM User Guide, "Monitor and control actions taken with assumed roles".
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

fn invalid(text: impl Into<String>) -> Error {
    Error::invalid_identity_token_exception(text)
}

impl Sts {
    /// Believes a token, or says why not.
    pub(crate) async fn believe_token(
        &self,
        token: &str,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<WebIdentity, Error> {
        let issuer = claimed_issuer(token).map_err(not_a_token)?;
        let sessions = self.env.sessions()?;
        // AWS: IAM User Guide, "Getting started with outbound identity federation": its tokens cannot be used for federation
        // into AWS. They would make sessions out of sessions that end or are revoked.
        if sessions.is_own_issuer(&issuer) {
            return Err(unregistered(&issuer));
        }
        let arn = oidc_provider_arn(account, &issuer);
        let registered = sessions.identity_provider(&arn)?;
        let Some(IdentityProvider::OpenIdConnect { url, client_ids }) = registered else {
            return Err(unregistered(&issuer));
        };
        // The ARN has no scheme: the same host by another is another issuer.
        if url != issuer {
            return Err(unregistered(&issuer));
        }
        let keys = self.issuers.keys(&url, account).await.map_err(|_| {
            Error::idp_communication_error_exception(
                "The identity provider could not be reached to verify the token.",
            )
        })?;
        // AWS: text of InvalidIdentityToken; the two spaces are its own.
        let keys = keys.ok_or_else(|| {
            invalid(
                "Couldn't retrieve verification key from your identity provider,  please reference \
                 AssumeRoleWithWebIdentity documentation for requirements",
            )
        })?;
        let found = |kid: &str| keys.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone());
        let Verified { claims, .. } = verify(token, |kid| found(kid)).map_err(not_a_token)?;
        // What was read before the signature was checked is read again from what it covers.
        if text(&claims, "iss") != Some(url.as_str()) {
            return Err(unregistered(&issuer));
        }
        check_times(&claims, now)?;
        identity(&claims, arn, &url, &client_ids)
    }
}

fn not_a_token(why: InvalidToken) -> Error {
    match why {
        // AWS: texts of InvalidIdentityToken.
        InvalidToken::Malformed(_) | InvalidToken::TooLarge => invalid(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        ),
        InvalidToken::UnknownKey => invalid(
            "Couldn't retrieve verification key from your identity provider,  please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        ),
        InvalidToken::Unacceptable(_) => invalid("The token is signed in a way that is not supported"),
        InvalidToken::BadSignature => invalid("The signature of the token could not be verified"),
    }
}

fn unregistered(issuer: &str) -> Error {
    // AWS: text of InvalidIdentityToken.
    invalid(format!("No OpenIDConnect provider found in your account for {issuer}"))
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// Beyond this a time is nonsense, and a double no longer exact.
const SECONDS_MAX: f64 = 9_007_199_254_740.0;

/// A time claim, whole seconds; fractions are cut, which ends a token earlier.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, Error> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let number = value.as_f64().filter(|seconds| (0.0..SECONDS_MAX).contains(seconds));
    #[expect(clippy::cast_possible_truncation, reason = "guarded by the range; fractions are to be cut")]
    let whole = number.map(|seconds| seconds as i64);
    whole.map(Some).ok_or_else(|| invalid(format!("The claim {name} is not a time")))
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), Error> {
    let missing = |name: &str| invalid(format!("Missing a required claim: {name}"));
    let expires_at = seconds(claims, "exp")?.ok_or_else(|| missing("exp"))?;
    let issued_at = seconds(claims, "iat")?.ok_or_else(|| missing("iat"))?;
    let now = now.seconds();
    if now >= expires_at {
        // AWS: text of ExpiredTokenException; the missing space is its own.
        return Err(Error::expired_token_exception(format!(
            "Token expired: current date/time {now} must be before the expiration date/time{expires_at}"
        )));
    }
    let starts = [Some(issued_at), seconds(claims, "nbf")?];
    if starts.into_iter().flatten().any(|start| start > now.saturating_add(START_LEEWAY_S)) {
        return Err(invalid("The token is not valid yet"));
    }
    Ok(())
}

/// The audience that is one of the provider's clients.
// A token for several audiences is for us only if it says which party it was issued to (OpenID Connect Core §3.1.3.7).
fn audience(claims: &Map<String, Value>, client_ids: &[String]) -> Result<(String, Option<String>), Error> {
    // AWS: text of InvalidIdentityToken.
    let refused = || invalid("Incorrect token audience");
    let listed: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => {
            many.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(refused)?
        }
        _ => return Err(refused()),
    };
    let party = match claims.get("azp") {
        None => None,
        Some(Value::String(party)) => Some(party.as_str()),
        Some(_) => return Err(refused()),
    };
    let is_client = |id: &str| client_ids.iter().any(|client| client == id);
    match (listed.as_slice(), party) {
        // AWS: IAM User Guide, "Available keys for AWS OIDC federation": aud is azp where there is one, oaud is aud then.
        ([one], Some(party)) if is_client(party) => Ok((party.to_owned(), Some((*one).to_owned()))),
        ([one], None) if is_client(one) => Ok(((*one).to_owned(), None)),
        (many, Some(party)) if many.contains(&party) && is_client(party) => Ok((party.to_owned(), None)),
        _ => Err(refused()),
    }
}

fn identity(
    claims: &Map<String, Value>,
    provider: Arn,
    url: &str,
    client_ids: &[String],
) -> Result<WebIdentity, Error> {
    let (aud, oaud) = audience(claims, client_ids)?;
    let subject = text(claims, "sub").filter(|sub| !sub.is_empty());
    let subject = subject.ok_or_else(|| invalid("Missing a required claim: sub"))?.to_owned();
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let mut keys: Vec<(String, KeyValue)> =
        vec![(format!("{host}:aud"), aud.as_str().into()), (format!("{host}:sub"), subject.as_str().into())];
    keys.extend(oaud.map(|oaud| (format!("{host}:oaud"), oaud.into())));
    if let Some(methods) = claims.get("amr") {
        let methods = texts(methods).ok_or_else(|| invalid("The claim amr is not a list of texts"))?;
        // AWS: multi-valued (IAM User Guide, "Available keys for AWS OIDC federation").
        keys.push((format!("{host}:amr"), methods.into()));
    }
    let (tags, transitive_tags) = session_tags(claims)?;
    check_tags(&tags, &transitive_tags)?;
    let source_identity = match claims.get(SOURCE_IDENTITY) {
        None => None,
        Some(Value::String(source)) => {
            check_source_identity(source)?;
            Some(source.clone())
        }
        Some(_) => return Err(invalid("The source identity is not a text")),
    };
    let session_keys = keys.clone();
    // AWS: the same reference has them for this operation only, not for what the session does.
    let listed = crate::claims::keys(host, claims);
    let listed = listed.map_err(|name| invalid(format!("The claim {name} is not a text")))?;
    keys.extend(listed.into_iter().map(|(key, value)| (key, value.into())));
    Ok(WebIdentity {
        federated_provider: provider.as_str().to_owned(),
        provider,
        subject,
        keys,
        session_keys,
        tags,
        transitive_tags,
        source_identity,
        session_name: None,
        session_s_max: None,
        shown: vec![("issuer", url.to_owned()), ("audience", aud)],
    })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Session tags, in the nested or the flattened form.
fn session_tags(claims: &Map<String, Value>) -> Result<AssertedTags, Error> {
    let malformed = || invalid("The claim https://aws.amazon.com/tags is malformed");
    let part = |name: &str| match claims.get(TAGS) {
        Some(Value::Object(nested)) => Ok(nested.get(name)),
        Some(_) => Err(malformed()),
        None => Ok(claims.get(&format!("{TAGS}/{name}"))),
    };
    let mut tags = Vec::new();
    match part("principal_tags")? {
        None => {}
        Some(Value::Object(given)) => {
            for (key, value) in given {
                let mut values = texts(value).ok_or_else(malformed)?;
                let value = values.pop().filter(|_| values.is_empty()).ok_or_else(malformed)?;
                tags.push((key.clone(), value));
            }
        }
        Some(_) => return Err(malformed()),
    }
    let transitive = part("transitive_tag_keys")?.map(|keys| texts(keys).ok_or_else(malformed));
    Ok((tags, transitive.transpose()?.unwrap_or_default()))
}
