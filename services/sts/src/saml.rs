//! From a SAML response to an identity: what AWS makes of attributes. Signatures, times and recipients are judged by
//! `casemate-saml`.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_kernel::{AssertionEncryption, Fault, IdentityProvider, KeyValue, WebIdentity};
use casemate_names::{AccountId, Arn, Timestamp};
use casemate_saml::{Assertion, Encryption, Expected, Metadata, Rejected, read_response};

use crate::{
    Sts,
    api::Error,
    asserted::{AssertedTags, check_source_identity, check_tags, is_session_name},
    roles::unauthorized,
    saml_attributes,
};

/// Names of ours that a response may be for.
// AWS: IAM User Guide, "Configure SAML assertions for the authentication response".
const AUDIENCES: [&str; 2] = ["https://signin.aws.amazon.com/saml", "urn:amazon:webservices"];
const RECIPIENT: &str = "https://signin.aws.amazon.com/saml";

/// How long after it was made a response may be used, seconds.
// AWS: IAM User Guide, "Troubleshoot SAML federation".
const REDEEM_S: i64 = 300;
/// Tolerance for the provider's clock, seconds. Design decision.
const LEEWAY_S: i64 = 60;

/// What AWS's attributes are called.
const ATTRIBUTES: &str = "https://aws.amazon.com/SAML/Attributes/";
/// The limits of the attribute SessionDuration, seconds.
// AWS: the same page.
const DURATION_S: std::ops::RangeInclusive<i64> = 900..=43_200;

fn invalid(text: impl Into<String>) -> Error {
    Error::invalid_identity_token_exception(text)
}

/// Which role is asked for, and by which provider's word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) role: &'a Arn,
    pub(crate) account: &'a AccountId,
    pub(crate) provider: &'a Arn,
}

impl Sts {
    /// Believes a response, base64 as posted by a browser, or says why not.
    pub(crate) async fn believe_response(
        &self,
        encoded: &str,
        asked: Asked<'_>,
        now: Timestamp,
    ) -> Result<WebIdentity, Error> {
        let absent = || invalid("Specified provider doesn't exist");
        // The provider vouches for roles of its own account only.
        if asked.provider.account() != asked.account.as_str() {
            return Err(absent());
        }
        let registered = self.env.sessions()?.identity_provider(asked.provider)?;
        let Some(IdentityProvider::Saml { metadata, valid_until, keys, encryption }) = registered else {
            return Err(absent());
        };
        if now >= valid_until {
            return Err(invalid("The metadata of the provider is not valid any more"));
        }
        let text: String = encoded.split_ascii_whitespace().collect();
        let text = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| invalid("Invalid base64 SAMLResponse"))?;
        let own = format!("{}/saml", self.env.site.endpoint);
        let encryption = match encryption {
            AssertionEncryption::Required => Encryption::Required,
            AssertionEncryption::Allowed => Encryption::Allowed,
        };
        let read = move || {
            let [first, second] = AUDIENCES;
            let expected = Expected {
                audiences: &[first, second, &own],
                recipients: &[RECIPIENT, &own],
                now,
                leeway_s: LEEWAY_S,
                keys: &keys,
                encryption,
            };
            let metadata = Metadata::parse(&metadata).map_err(Fault::internal)?;
            Ok::<_, Fault>(read_response(&text, &metadata, &expected))
        };
        // Anybody may have it read metadata, verify signatures and decrypt: not on the reactor.
        let assertion = self.env.heavy.run(read).await??.map_err(|why| refused(&why))?;
        if now >= assertion.issued_at.plus_seconds(REDEEM_S) {
            return Err(too_late());
        }
        identity(&assertion, asked, now)
    }
}

fn too_late() -> Error {
    // AWS: text of ExpiredTokenException.
    Error::expired_token_exception("Token must be redeemed within 5 minutes of issuance")
}

fn refused(why: &Rejected) -> Error {
    match why {
        // AWS: IAM User Guide, "Troubleshoot SAML federation".
        Rejected::WrongIssuer => invalid("Issuer not present in specified provider"),
        Rejected::Signature(_) => invalid("Response signature invalid"),
        Rejected::Expired => too_late(),
        Rejected::WrongAudience => invalid("Response does not contain the required audience."),
        Rejected::Unsuccessful => {
            Error::idp_rejected_claim_exception("The identity provider reported that authentication failed")
        }
        Rejected::NotYetValid => invalid("The response is not valid yet"),
        Rejected::WrongRecipient => invalid("The response is for another recipient"),
        Rejected::Malformed(_) => invalid("The response could not be read"),
    }
}

fn identity(assertion: &Assertion, asked: Asked<'_>, now: Timestamp) -> Result<WebIdentity, Error> {
    if !lists(assertion.values(&format!("{ATTRIBUTES}Role")), asked) {
        return Err(unauthorized("sts:AssumeRoleWithSAML"));
    }
    let session_name = single(assertion, "RoleSessionName")?;
    // AWS: texts of InvalidIdentityToken.
    let session_name = session_name.ok_or_else(|| invalid("RoleSessionName is required in AuthnResponse"))?;
    if !is_session_name(&session_name) {
        return Err(invalid("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"));
    }
    let source_identity = single(assertion, "SourceIdentity")?;
    if let Some(source) = &source_identity {
        check_source_identity(source)?;
    }
    let (tags, transitive_tags) = session_tags(assertion)?;
    check_tags(&tags, &transitive_tags)?;
    let name = asked.provider.resource().strip_prefix("saml-provider/").unwrap_or_default();
    let qualifier = qualifier(&assertion.issuer, asked.account, name);
    let sub_type = sub_type(assertion.name_id_format.as_deref());
    let session_keys: Vec<(String, KeyValue)> = [
        ("saml:sub", assertion.name_id.clone()),
        ("saml:sub_type", sub_type.clone()),
        ("saml:namequalifier", qualifier.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value.into()))
    .to_vec();
    let mut keys = session_keys.clone();
    // AWS: IAM User Guide, "Available keys for SAML-based federation": aud is the recipient, not the audience.
    keys.push(("saml:aud".to_owned(), assertion.recipient.as_str().into()));
    keys.push(("saml:iss".to_owned(), assertion.issuer.as_str().into()));
    keys.push(("saml:doc".to_owned(), format!("{}/{name}", asked.account.as_str()).into()));
    // AWS: these keys are for trust policies only.
    keys.extend(saml_attributes::keys(assertion));
    Ok(WebIdentity {
        provider: asked.provider.clone(),
        federated_provider: asked.provider.as_str().to_owned(),
        subject: assertion.name_id.clone(),
        keys,
        session_keys,
        tags,
        transitive_tags,
        source_identity,
        session_name: Some(session_name),
        session_s_max: session_s_max(assertion, now)?,
        shown: vec![
            ("issuer", assertion.issuer.clone()),
            ("audience", assertion.recipient.clone()),
            ("subject_type", sub_type),
            ("name_qualifier", qualifier),
        ],
    })
}

/// Does the attribute Role list the pair of role and provider, in either order?
fn lists(values: &[String], asked: Asked<'_>) -> bool {
    values.iter().filter_map(|value| value.split_once(',')).any(|(one, other)| {
        let pair = (one.trim(), other.trim());
        pair == (asked.role.as_str(), asked.provider.as_str())
            || pair == (asked.provider.as_str(), asked.role.as_str())
    })
}

/// The value of an attribute that may have only one.
fn single(assertion: &Assertion, name: &str) -> Result<Option<String>, Error> {
    match assertion.values(&format!("{ATTRIBUTES}{name}")) {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        _ => Err(invalid(format!("{name} in AuthnResponse must have one value"))),
    }
}

fn session_tags(assertion: &Assertion) -> Result<AssertedTags, Error> {
    let prefix = format!("{ATTRIBUTES}PrincipalTag:");
    let mut tags = Vec::new();
    for attribute in &assertion.attributes {
        let Some(key) = attribute.name.strip_prefix(&prefix) else { continue };
        let [value] = attribute.values.as_slice() else {
            return Err(invalid("A PrincipalTag in AuthnResponse must have one value"));
        };
        tags.push((key.to_owned(), value.clone()));
    }
    Ok((tags, assertion.values(&format!("{ATTRIBUTES}TransitiveTagKeys")).to_vec()))
}

/// The longest session that the provider allows, seconds.
fn session_s_max(assertion: &Assertion, now: Timestamp) -> Result<Option<i64>, Error> {
    let stated = single(assertion, "SessionDuration")?;
    let stated = stated.map(|text| text.parse::<i64>().ok().filter(|s| DURATION_S.contains(s)));
    let stated = match stated {
        None => None,
        Some(None) => return Err(invalid("SessionDuration in AuthnResponse must be between 900 and 43200")),
        Some(seconds) => seconds,
    };
    let ends = assertion.session_not_on_or_after.map(|end| end.seconds().saturating_sub(now.seconds()));
    let most = [stated, ends].into_iter().flatten().min();
    match most {
        Some(seconds) if seconds <= 0 => Err(too_late()),
        most => Ok(most),
    }
}

/// `persistent`, `transient`, or the whole name of another format.
// AWS: the same page, `saml:sub_type`.
fn sub_type(format: Option<&str>) -> String {
    let format = format.unwrap_or("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified");
    let short = format.strip_prefix("urn:oasis:names:tc:SAML:2.0:nameid-format:");
    short.filter(|name| matches!(*name, "persistent" | "transient")).unwrap_or(format).to_owned()
}

/// The hash that tells users of the same name of different providers apart.
// AWS: STS API reference, AssumeRoleWithSAML, `NameQualifier`.
fn qualifier(issuer: &str, account: &AccountId, name: &str) -> String {
    let text = format!("{issuer}{}/{name}", account.as_str());
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The issuer, account and name of the example in the STS API reference; the digest is of another program.
    #[test]
    fn a_qualifier_is_the_hash_of_issuer_account_and_name() {
        let account = AccountId::parse("123456789012").unwrap();
        assert_eq!(
            qualifier("https://example.com/saml", &account, "MySAMLIdP"),
            "1uAJanUnBc2XeUkHURMht+xam2c="
        );
    }

    #[test]
    fn formats_have_their_short_names() {
        assert_eq!(sub_type(Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent")), "persistent");
        let mail = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
        assert_eq!(sub_type(Some(mail)), mail);
    }
}
