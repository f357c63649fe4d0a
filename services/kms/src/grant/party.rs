//! Whom a grant names: who that is now, and whether a caller is that one. Refuses to know what the grant allows.

use casemate_kernel::{Env, NamedPrincipal, policy::Principal};
use casemate_names::Arn;
use serde::{Deserialize, Serialize};

use crate::api::Error;

/// Somebody whom a grant names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Party {
    /// As named.
    pub(crate) arn: String,
    /// Of the user or role, or of the session's role, when the grant was made.
    pub(crate) unique_id: Option<String>,
}

impl Party {
    /// Somebody by ARN: a user, a role, a session, a federated user or an account's root.
    // DIVERGES: a grant to an account's root is one to that root user, not to whom its account's policies allow.
    pub(crate) fn new(env: &Env, text: &str) -> Result<Self, Error> {
        // AWS: text of the service.
        let invalid =
            || Error::invalid_arn_exception(format!("ARN does not refer to a valid principal: {text}"));
        let arn = Arn::parse(text).map_err(|_| invalid())?;
        if let Some(named) = NamedPrincipal::parse(text) {
            let id = env.sessions()?.unique_id_of(&named)?.ok_or_else(invalid)?;
            return Ok(Self { arn: text.to_owned(), unique_id: Some(id) });
        }
        let root = arn.service() == "iam" && arn.resource() == "root";
        let federated = arn.service() == "sts" && arn.resource().starts_with("federated-user/");
        if (root || federated) && arn.account_id().is_some() {
            return Ok(Self { arn: text.to_owned(), unique_id: None });
        }
        Err(invalid())
    }

    /// As answers show it: who is gone appears by unique id.
    pub(crate) fn shown(&self, env: &Env) -> Result<String, Error> {
        let (Some(id), Some(named)) = (&self.unique_id, NamedPrincipal::parse(&self.arn)) else {
            return Ok(self.arn.clone());
        };
        let same = env.sessions()?.unique_id_of(&named)?.as_ref() == Some(id);
        Ok(if same { self.arn.clone() } else { id.clone() })
    }

    /// Is it `principal`?
    pub(crate) fn is(&self, principal: &Principal) -> bool {
        match principal {
            Principal::User { unique_id, .. } => self.unique_id.as_ref() == Some(unique_id),
            Principal::Session { role_unique_id, session_arn, .. } => {
                let meant = match NamedPrincipal::parse(&self.arn) {
                    Some(NamedPrincipal::Entity(_)) => true,
                    Some(NamedPrincipal::Session { arn, .. }) => arn.as_str() == session_arn,
                    None => false,
                };
                meant && self.unique_id.as_ref() == Some(role_unique_id)
            }
            Principal::FederatedUser { arn, .. } => self.unique_id.is_none() && self.arn == *arn,
            Principal::Root { account } => Arn::parse(&self.arn).is_ok_and(|arn| {
                arn.service() == "iam" && arn.resource() == "root" && arn.account() == account
            }),
            Principal::Anonymous | Principal::Service { .. } | Principal::WebIdentity { .. } => false,
        }
    }
}
