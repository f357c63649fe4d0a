//! Registered identity providers: OpenID Connect and SAML 2.0. Fetches nothing: whose tokens are believed is STS's matter.

use casemate_kernel::IdentityProvider;
use casemate_names::{Arn, Scope, Timestamp};
use casemate_saml::Metadata;
use casemate_store::ReadTx;
use serde::{Deserialize, Serialize};

use crate::{api::Error, assertion_keys::AssertionKeys, by_arn::ByArn};

/// Client ids of one provider.
// AWS: IAM quotas, "Client IDs for an OIDC provider".
const CLIENT_IDS_MAX: usize = 100;
/// Thumbprints of one provider.
// AWS: API reference, CreateOpenIDConnectProvider, `ThumbprintList`.
const THUMBPRINTS_MAX: usize = 5;
/// Hexadecimal digits of a thumbprint (SHA-1).
const THUMBPRINT_CHARS: usize = 40;
/// How long metadata is good that does not say so itself, seconds.
// AWS: providers are shown as valid for a hundred years then.
const VALID_S_DEFAULT: i64 = 100 * 365 * 24 * 3600;

/// An OpenID Connect provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OidcRow {
    /// The issuer as registered, with its scheme.
    pub(crate) url: String,
    pub(crate) client_ids: Vec<String>,
    pub(crate) thumbprints: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Vec<(String, String)>,
}

/// A SAML provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SamlRow {
    pub(crate) name: String,
    /// Names the provider itself: one made anew under the same name has another.
    pub(crate) uuid: String,
    /// Validated when it was stored.
    pub(crate) metadata: String,
    pub(crate) valid_until: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) keys: AssertionKeys,
}

impl ByArn for OidcRow {
    const NOUN: &'static str = "oidc-provider";
    // AWS: IAM quotas, "Identity providers (IdPs) associated with an IAM account", OpenID Connect.
    const PER_ACCOUNT_MAX: usize = 100;
    const QUOTA: &'static str = "OpenIdConnectProvidersPerAccount";

    fn tail(&self) -> &str {
        without_scheme(&self.url)
    }

    fn missing(arn: &str) -> String {
        // AWS: text of NoSuchEntity.
        format!("OpenIDConnect Provider not found for arn {arn}")
    }

    fn exists(&self) -> String {
        // AWS: text of EntityAlreadyExists.
        format!("Provider with url {} already exists.", self.url)
    }
}

impl ByArn for SamlRow {
    const NOUN: &'static str = "saml-provider";
    // AWS: IAM quotas, "SAML providers per account".
    const PER_ACCOUNT_MAX: usize = 100;
    const QUOTA: &'static str = "SAMLProvidersPerAccount";

    fn tail(&self) -> &str {
        &self.name
    }

    fn missing(arn: &str) -> String {
        // AWS: text of NoSuchEntity.
        format!("Manifest not found for arn {arn}")
    }

    fn exists(&self) -> String {
        format!("SAML provider {} already exists.", self.name)
    }
}

impl OidcRow {
    pub(crate) fn set_client_ids(&mut self, ids: Vec<String>) -> Result<(), Error> {
        if ids.len() > CLIENT_IDS_MAX {
            let text = format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS_MAX}");
            return Err(Error::limit_exceeded_exception(text));
        }
        self.client_ids = ids;
        Ok(())
    }

    pub(crate) fn set_thumbprints(&mut self, thumbprints: Vec<String>) -> Result<(), Error> {
        let hex = |text: &String| {
            text.len() == THUMBPRINT_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if thumbprints.len() > THUMBPRINTS_MAX {
            return Err(Error::invalid_input_exception("Thumbprint list must contain fewer than 5 entries."));
        }
        if !thumbprints.iter().all(hex) {
            return Err(Error::invalid_input_exception("A thumbprint must be 40 hexadecimal characters."));
        }
        self.thumbprints = thumbprints;
        Ok(())
    }
}

/// Is this address one that a provider may have: `https`, a host without port, no query; or below this server's own
/// address, whose user pools issue tokens?
// DIVERGES: AWS takes `https` only. A server for development may be reached by plain HTTP and under a port.
pub(crate) fn check_url(url: &str, own_endpoint: &str) -> Result<(), Error> {
    // AWS: text of ValidationError.
    let refused = || Err(Error::Validation("Invalid Open ID Connect Provider URL".to_owned()));
    let own = url.strip_prefix(own_endpoint).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'));
    let rest = if own { without_scheme(url) } else { url.strip_prefix("https://").unwrap_or_default() };
    let host = rest.split('/').next().unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '/' | ':');
    let host_is_legal = !host.is_empty() && !host.starts_with('.') && (own || !host.contains(':'));
    let path_is_legal = !rest.contains("//") && !rest.split('/').any(|part| matches!(part, "." | ".."));
    if host_is_legal && path_is_legal && rest.chars().all(legal) { Ok(()) } else { refused() }
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// Validates a metadata document: until when it is good.
pub(crate) fn check_metadata(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    // AWS: text of InvalidInput.
    let refused = |_| Error::invalid_input_exception("Could not parse metadata");
    let metadata = Metadata::parse(text).map_err(refused)?;
    let until = metadata.valid_until.unwrap_or_else(|| now.plus_seconds(VALID_S_DEFAULT));
    if until <= now {
        return Err(Error::invalid_input_exception("The metadata is not valid any more."));
    }
    Ok(until)
}

/// The provider of an ARN as the kernel's directory tells it.
pub(crate) fn known(tx: &ReadTx<'_>, scope: &Scope, arn: &Arn) -> Result<Option<IdentityProvider>, Error> {
    if let Some(row) = OidcRow::find(tx, scope, arn.as_str())? {
        return Ok(Some(IdentityProvider::OpenIdConnect { url: row.url, client_ids: row.client_ids }));
    }
    let row = SamlRow::find(tx, scope, arn.as_str())?;
    Ok(row.map(|row| {
        let (keys, encryption) = row.keys.known();
        IdentityProvider::Saml { metadata: row.metadata, valid_until: row.valid_until, keys, encryption }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_addresses_of_hosts_and_our_own_are_providers() {
        let own = "http://localhost:4566";
        for url in
            ["https://idp.example.com", "https://idp.example.com/a/b", "http://localhost:4566/us-east-1_x"]
        {
            assert!(check_url(url, own).is_ok(), "{url}");
        }
        for url in [
            "",
            "https://",
            "idp.example.com",
            "http://idp.example.com",
            "https://idp.example.com:8443",
            "https://idp.example.com/?a=b",
            "https://user@idp.example.com",
            "https://idp.example.com//x",
            "https://idp.example.com/../x",
            "http://localhost:4566",
            "http://localhost:4566/",
            "http://localhost:45660/x",
            "http://localhost:4566.evil.com/x",
            "file:///etc/passwd",
        ] {
            assert!(check_url(url, own).is_err(), "{url}");
        }
    }

    #[test]
    fn quotas_and_forms_of_lists_are_kept() {
        let mut row = OidcRow {
            url: "https://idp.example.com".to_owned(),
            client_ids: Vec::new(),
            thumbprints: Vec::new(),
            created_at: Timestamp::from_seconds(0),
            tags: Vec::new(),
        };
        assert!(row.set_client_ids(vec!["x".to_owned(); CLIENT_IDS_MAX + 1]).is_err());
        assert!(row.set_thumbprints(vec!["x".repeat(40)]).is_err());
        assert!(row.set_thumbprints(vec!["a".repeat(39)]).is_err());
        assert!(row.set_thumbprints(vec!["a".repeat(40); THUMBPRINTS_MAX + 1]).is_err());
        assert!(row.set_thumbprints(vec!["A0".repeat(20)]).is_ok());
    }
}
