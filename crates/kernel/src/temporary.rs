//! Temporary callers besides role sessions: the user session, the federated user, and the user of an identity provider
//! who is about to become a role session; and the evidence that makes them. Knows no token format and no code algorithm.

use std::{any::Any, fmt};

use casemate_names::{AccountId, Arn, Secret, Timestamp};
use casemate_policy::NamedPolicy;
use casemate_sigv4::AuthError;
use serde::{Deserialize, Serialize};

use crate::{AnyOperation, Caller, Fault, Kernel, KeyValue, audit::Bracket};

/// Temporary credentials of a user or of an account's root: they act as their owner, with its rights of the moment.
#[derive(Debug, Clone)]
pub struct UserSession {
    /// `Caller::User` or `Caller::Root`.
    pub owner: Caller,
    /// When the credentials were made: `aws:TokenIssueTime`.
    pub issued_at: Timestamp,
    /// When they end.
    pub expires_at: Timestamp,
    /// When the owner proved possession of an MFA device, if it did: `aws:MultiFactorAuthPresent` and `…Age`.
    pub mfa_at: Option<Timestamp>,
}

/// A federated user: at most the rights of the user who vouched for it, and of those only what its session policies allow.
#[derive(Debug, Clone)]
pub struct FederatedSession {
    /// Who made it: `Caller::User` or `Caller::Root`.
    pub owner: Caller,
    /// `arn:aws:sts::…:federated-user/name`
    pub arn: Arn,
    /// The name it was given.
    pub name: String,
    /// The owner's account.
    pub account: AccountId,
    /// Session tags; they override the owner's.
    pub tags: Vec<(String, String)>,
    /// Session policies. None means no rights but those that a resource policy gives the federated user by name.
    pub policies: Vec<NamedPolicy>,
    /// When the credentials were made: `aws:TokenIssueTime`.
    pub issued_at: Timestamp,
    /// When they end.
    pub expires_at: Timestamp,
}

/// A user of an identity provider, as verified evidence describes it. It is nobody in any account; trust policies decide
/// which role it may become.
#[derive(Debug, Clone)]
pub struct WebIdentity {
    /// What `Principal: {"Federated": …}` must name: the provider's ARN.
    pub provider: Arn,
    /// What `aws:FederatedProvider` says of sessions made for it.
    pub federated_provider: String,
    /// The identity's name at its provider, for records and answers.
    pub subject: String,
    /// Condition keys that the evidence proves, such as `<issuer>:sub`.
    pub keys: Vec<(String, KeyValue)>,
    /// Those of them that policies of the session may still refer to.
    pub session_keys: Vec<(String, KeyValue)>,
    /// Session tags that the provider asserts.
    pub tags: Vec<(String, String)>,
    /// Which of them survive chaining.
    pub transitive_tags: Vec<String>,
    /// `sts:SourceIdentity`, if the provider asserts one.
    pub source_identity: Option<String>,
    /// The session's name, where the provider chooses it.
    pub session_name: Option<String>,
    /// Longest session that the provider allows, seconds.
    pub session_s_max: Option<i64>,
    /// Further facts of the evidence that the operation shows in its answer.
    pub shown: Vec<(&'static str, String)>,
}

/// What remains in a role session of the identity it was made for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federation {
    /// `aws:FederatedProvider`
    pub provider: String,
    /// Condition keys that stay with the session.
    pub keys: Vec<(String, KeyValue)>,
}

/// Something in an operation's input, besides the signature, that bears on the decision.
#[derive(Debug)]
pub enum Evidence {
    /// A one-time code. The kernel has the directory verify it against the caller's own devices.
    Mfa {
        /// The device's serial number: an ARN.
        serial: String,
        /// Six digits.
        code: String,
    },
    /// The service has verified an assertion of a registered provider. Only for operations that take no signature.
    Identity(Box<WebIdentity>),
}

/// What the directory says to a one-time code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MfaAnswer {
    /// It is right, and cannot be used again.
    Right,
    /// It is wrong, used already, or of another time.
    Wrong,
    /// The caller has no such device.
    NoSuchDevice,
}

/// A registered identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityProvider {
    /// OpenID Connect.
    OpenIdConnect {
        /// The issuer: `iss` of its tokens.
        url: String,
        /// Accepted audiences.
        client_ids: Vec<String>,
    },
    /// SAML 2.0.
    Saml {
        /// The metadata document, as it was validated when stored.
        metadata: String,
        /// After this the metadata is not to be believed any more.
        valid_until: Timestamp,
        /// Private keys in PEM that assertions may be encrypted for.
        keys: Vec<Secret<String>>,
        /// Whether they must be.
        encryption: AssertionEncryption,
    },
}

/// Whether a provider's assertions are believed in the open, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AssertionEncryption {
    /// They are.
    #[default]
    Allowed,
    /// Only encrypted ones are.
    Required,
}

impl Kernel {
    /// Has the evidence of a call's input verified, if there is any: who calls in its light, and whether with a code.
    pub(crate) async fn weigh_evidence(
        &self,
        operation: &dyn AnyOperation,
        input: &(dyn Any + Send + Sync),
        caller: Caller,
        now: Timestamp,
        bracket: &mut Bracket,
    ) -> Result<(Caller, bool), Fault> {
        let Some(evidence) = operation.evidence(input, &caller, now) else { return Ok((caller, false)) };
        match evidence.await? {
            Evidence::Mfa { serial, code } => {
                let answer = match caller.actor() {
                    Caller::Anonymous => return Err(AuthError::MissingAuthenticationToken.into()),
                    user @ Caller::User { .. } => {
                        self.directory().verify_mfa(user, &serial, &code, now).await?
                    }
                    _ => MfaAnswer::NoSuchDevice,
                };
                if answer != MfaAnswer::Right {
                    return Err(Fault::coded("AccessDenied", 403, answer.to_string()));
                }
                Ok((caller, true))
            }
            Evidence::Identity(identity) if matches!(caller, Caller::Anonymous) => {
                let caller = Caller::WebIdentity(identity);
                bracket.identified(&caller, None);
                Ok((caller, false))
            }
            Evidence::Identity(_) => {
                Err(Fault::broken("an identity was asserted for a caller who is somebody already"))
            }
        }
    }
}

impl WebIdentity {
    /// A fact of the evidence that the operation shows in its answer.
    pub fn shown(&self, name: &str) -> Option<String> {
        self.shown.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    /// What stays with a session made for this identity.
    pub(crate) fn federation(&self) -> Federation {
        Federation { provider: self.federated_provider.clone(), keys: self.session_keys.clone() }
    }
}

impl UserSession {
    /// Seconds since the owner proved possession of an MFA device.
    pub(crate) fn mfa_age_s(&self, now: Timestamp) -> Option<i64> {
        self.mfa_at.map(|at| now.seconds().saturating_sub(at.seconds()).max(0))
    }
}

impl fmt::Display for MfaAnswer {
    // AWS: texts of AccessDenied where codes are presented to STS.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "MultiFactorAuthentication succeeded.",
            Self::Wrong => "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
            Self::NoSuchDevice => {
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number \
                 is valid and associated with this user."
            }
        })
    }
}
