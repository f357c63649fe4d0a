//! Tokens about callers for strangers to verify: the owner of identities signs them in the name of an account, whoever makes
//! them says what is true. They are no credentials: nothing here takes one.

use casemate_names::AccountId;
use serde_json::{Map, Value};

use crate::{Caller, Fault, Sessions};

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl Sessions {
    /// The claims, with the account's issuer (`iss`) among them, signed by it. `None`: the account issues no tokens. Takes
    /// a millisecond of processor time.
    pub fn attest(
        &self,
        account: &AccountId,
        algorithm: TokenAlgorithm,
        claims: Map<String, Value>,
    ) -> Result<Option<String>, Fault> {
        self.kernel().directory().attest(account, algorithm, claims)
    }

    /// Is this the issuer of tokens of [`Self::attest`], of whatever account?
    pub fn is_own_issuer(&self, issuer: &str) -> bool {
        self.kernel().directory().is_own_issuer(issuer)
    }

    /// The tags of a caller, as `aws:PrincipalTag/*` shows them. A caller who is gone is refused.
    pub fn principal_tags(&self, caller: &Caller) -> Result<Vec<(String, String)>, Fault> {
        let mut tags = caller.session_tags().to_vec();
        let policies = self.kernel().gate().policies_of(self.kernel(), caller)?;
        // AWS: session tags override the role's own tags of the same key.
        let own = policies
            .tags
            .iter()
            .filter(|(key, _)| !caller.session_tags().iter().any(|(over, _)| over.eq_ignore_ascii_case(key)));
        tags.extend(own.cloned());
        Ok(tags)
    }
}
