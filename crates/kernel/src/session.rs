//! Role sessions: temporary credentials that the kernel itself keeps, because every service that runs something under a
//! role needs them, and because revocation must bite on the next request.

use std::sync::Arc;

use crate::{
    Ask, Caller, Denial, Fault, Federation, IdentityProvider, Kernel, Peer, Permit, RequestFacts, RoleFacts,
    RoleSession,
    gate::Case,
    refusal::{nobodys_text, refuse_unless_allowed},
    session_table::{SessionRow, TEMPORARY_PREFIX, compile},
};
use aws_lc_rs::digest::{SHA256, digest};
use casemate_names::{AccountId, Arn, Entropy, Secret, Timestamp, alphanumeric, lower_alphanumeric};
use casemate_policy::{Decision, decide};

/// The action that a role's trust policy allows.
const ASSUME_ROLE: &str = "sts:AssumeRole";
/// The same for users of identity providers.
const ASSUME_ROLE_FEDERATED: [&str; 2] = ["sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"];

/// What a new session shall be.
#[derive(Debug)]
pub struct SessionRequest {
    /// The role, as the directory knows it now.
    pub role: Arc<RoleFacts>,
    /// The session's name.
    pub session_name: String,
    /// How long the credentials live, seconds.
    pub duration_s: i64,
    /// Session policies as `(name, document)`; `None` when the session has none.
    pub policies: Option<Vec<(String, String)>>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Keys of the tags that survive chaining.
    pub transitive_tags: Vec<String>,
    /// `sts:SourceIdentity`
    pub source_identity: Option<String>,
    /// The execution environment outside of which the credentials are worthless.
    pub bound_to: Option<String>,
    /// The function they are made for.
    pub source_function: Option<Arn>,
}

/// Temporary credentials, as handed out once.
#[derive(Debug, Clone)]
pub struct SessionCredentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Secret<String>,
    /// Must accompany every request.
    pub session_token: Secret<String>,
    /// When they end.
    pub expires_at: Timestamp,
    /// What they stand for.
    pub session: RoleSession,
}

/// Makes and looks up role sessions, for one service principal.
#[derive(Debug, Clone)]
pub struct Sessions {
    kernel: Arc<Kernel>,
    principal: &'static str,
}

impl Sessions {
    pub(crate) fn new(kernel: Arc<Kernel>, principal: &'static str) -> Self {
        Self { kernel, principal }
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Makes credentials for a caller whom the gate has admitted to assume that very role. A session for a user of an
    /// identity provider keeps what the gate was shown of that identity.
    pub async fn mint(&self, permit: &Permit, request: SessionRequest) -> Result<SessionCredentials, Fault> {
        refuse_unless_admitted(permit, &request.role)?;
        let federation = match permit.caller() {
            Caller::WebIdentity(identity) => Some(identity.federation()),
            _ => None,
        };
        self.keep(request, federation, permit.now()).await
    }

    /// The role that the gate has admitted a caller to assume. A role that is gone, or that is another one under the same
    /// name, is refused: nobody was admitted to that.
    pub fn admitted_role(&self, permit: &Permit, arn: &Arn) -> Result<Arc<RoleFacts>, Fault> {
        let role = self.role(arn)?.ok_or_else(|| not_admitted(permit, arn))?;
        refuse_unless_admitted(permit, &role)?;
        Ok(role)
    }

    /// Makes credentials for this service itself, on behalf of `source`; the role's trust policy must admit it.
    pub async fn mint_for_service(
        &self,
        request: SessionRequest,
        source: &Arn,
        now: Timestamp,
    ) -> Result<SessionCredentials, Fault> {
        self.check_trust(&request.role, source, now)?;
        self.keep(request, None, now).await
    }

    /// Does the role's trust policy admit this service, on behalf of `source`?
    pub fn check_trust(&self, role: &RoleFacts, source: &Arn, now: Timestamp) -> Result<(), Fault> {
        let account = source.account_id().unwrap_or_else(|| role.account.clone());
        let caller = Caller::Service { principal: self.principal, source: source.clone(), account };
        let facts = RequestFacts {
            peer: Peer::Internal,
            user_agent: None,
            referer: None,
            trace: None,
            called_via: Vec::new(),
        };
        let ask = Ask::on(ASSUME_ROLE, role.arn.clone());
        let case = Case::of(&caller, &ask, &facts, now);
        let (decision, judged) = self.kernel.gate().identified(&self.kernel, &case, decide)?;
        refuse_unless_allowed(&self.kernel, &caller, &ask, decision)?;
        if judged.as_ref() == Some(&role.unique_id) {
            return Ok(());
        }
        let (principal, resource) = (self.principal, role.arn.as_str());
        let denial = Denial { action: ASSUME_ROLE, resource: resource.to_owned(), decision: None };
        Err(Fault::denied(denial, Decision::brief_text(principal, ASSUME_ROLE, resource)))
    }

    /// The directory's facts about a role.
    pub fn role(&self, arn: &Arn) -> Result<Option<Arc<RoleFacts>>, Fault> {
        self.kernel.directory().role(arn)
    }

    /// The unique id of the user or role that an ARN names now, see [`crate::Directory::unique_id`].
    pub fn unique_id(&self, arn: &Arn) -> Result<Option<String>, Fault> {
        self.kernel.directory().unique_id(arn)
    }

    /// The document in force of a managed policy, as a session policy.
    pub fn managed_policy(&self, arn: &str) -> Result<Option<String>, Fault> {
        self.kernel.directory().managed_policy(arn)
    }

    /// The identity provider registered under an ARN. `None`: there is none.
    pub fn identity_provider(&self, arn: &Arn) -> Result<Option<IdentityProvider>, Fault> {
        self.kernel.directory().identity_provider(arn)
    }

    /// The account that an access key belongs to, temporary or not. `None`: there is no such key.
    pub fn account_of_key(&self, access_key_id: &str) -> Result<Option<AccountId>, Fault> {
        if let Some(live) = self.kernel.session_table().find(access_key_id)? {
            return Ok(live.caller.account());
        }
        let found = self.kernel.directory().credential(access_key_id)?;
        Ok(found.and_then(|credential| credential.owner.account()))
    }

    /// Ends a session at once.
    pub async fn revoke(&self, access_key_id: &str) -> Result<(), Fault> {
        self.kernel.session_table().remove(access_key_id).await
    }

    /// A session of `role` for an inner call, without credentials.
    pub(crate) fn role_session(
        &self,
        role: &Arn,
        session_name: &str,
        source: &Arn,
        now: Timestamp,
    ) -> Result<RoleSession, Fault> {
        let denial = || Denial { action: ASSUME_ROLE, resource: role.as_str().to_owned(), decision: None };
        let facts = self
            .role(role)?
            .ok_or_else(|| Fault::denied(denial(), format!("the role `{role}` does not exist")))?;
        self.check_trust(&facts, source, now)?;
        Ok(session_of(&facts, session_name, now, now.plus_seconds(facts.session_s_max)))
    }

    async fn keep(
        &self,
        request: SessionRequest,
        federation: Option<Federation>,
        now: Timestamp,
    ) -> Result<SessionCredentials, Fault> {
        let expires_at = now.plus_seconds(request.duration_s);
        let base = session_of(&request.role, &request.session_name, now, expires_at);
        let Fresh { access_key_id, secret, token, token_sha256 } = fresh_credentials(self.kernel.entropy());
        let compiled = request.policies.as_deref().map(compile).transpose()?;
        let session = RoleSession {
            tags: request.tags,
            transitive_tags: request.transitive_tags,
            source_identity: request.source_identity,
            policies: compiled,
            bound_to: request.bound_to,
            source_function: request.source_function,
            federation,
            ..base
        };
        let row = SessionRow {
            secret: Secret::new(secret.clone()),
            token_sha256,
            role_arn: session.role_arn.clone(),
            role_unique_id: session.role_unique_id.clone(),
            session_arn: session.session_arn.clone(),
            session_name: session.session_name.clone(),
            account: session.account.clone(),
            tags: session.tags.clone(),
            transitive_tags: session.transitive_tags.clone(),
            source_identity: session.source_identity.clone(),
            policies: request.policies,
            issued_at: now,
            expires_at,
            bound_to: session.bound_to.clone(),
            source_function: session.source_function.clone(),
            federation: session.federation.clone(),
        };
        self.kernel.session_table().insert(&access_key_id, row).await?;
        Ok(SessionCredentials {
            access_key_id,
            secret_access_key: Secret::new(secret),
            session_token: Secret::new(token),
            expires_at,
            session,
        })
    }
}

/// The one place that says whether a call was admitted to assume that very role: by unique id, since a role can be deleted
/// and made again, trusting others, after the gate has judged its namesake.
fn refuse_unless_admitted(permit: &Permit, role: &RoleFacts) -> Result<(), Fault> {
    let arn = role.arn.as_str();
    let admitted = assuming(permit).iter().any(|action| permit.admits_very(action, arn, &role.unique_id));
    if admitted { Ok(()) } else { Err(not_admitted(permit, &role.arn)) }
}

/// The actions of which one must have been admitted.
fn assuming(permit: &Permit) -> &'static [&'static str] {
    match permit.caller() {
        Caller::WebIdentity(_) => &ASSUME_ROLE_FEDERATED,
        _ => &[ASSUME_ROLE],
    }
}

fn not_admitted(permit: &Permit, arn: &Arn) -> Fault {
    let namesake = assuming(permit).iter().copied().find(|action| permit.admits(action, arn.as_str()));
    let (action, resource) = (namesake.unwrap_or(ASSUME_ROLE), arn.as_str().to_owned());
    let text = match (namesake, permit.caller()) {
        (None, _) => "the call was not admitted to assume this role".to_owned(),
        (Some(action), Caller::WebIdentity(_)) => nobodys_text(action),
        (Some(action), caller) => Decision::brief_text(&caller.arn_text(), action, &resource),
    };
    Fault::denied(Denial { action, resource, decision: None }, text)
}

pub(crate) fn session_of(
    role: &RoleFacts,
    session_name: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> RoleSession {
    let resource = format!("assumed-role/{}/{session_name}", role.name);
    RoleSession {
        role_arn: role.arn.clone(),
        role_unique_id: role.unique_id.clone(),
        session_arn: Arn::from_parts([role.arn.partition(), "sts", "", role.account.as_str(), &resource]),
        session_name: session_name.to_owned(),
        account: role.account.clone(),
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        policies: None,
        issued_at: now,
        expires_at,
        bound_to: None,
        source_function: None,
        federation: None,
    }
}

/// Credentials nobody has seen yet.
pub(crate) struct Fresh {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) token_sha256: [u8; 32],
}

pub(crate) fn fresh_credentials(entropy: &dyn Entropy) -> Fresh {
    let id = lower_alphanumeric(entropy, "kernel.session.key-id", 16).to_ascii_uppercase();
    let secret = alphanumeric(entropy, "kernel.session.secret", 40);
    let token = alphanumeric(entropy, "kernel.session.token", 180);
    let mut token_sha256 = [0; 32];
    for (to, from) in token_sha256.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
        *to = *from;
    }
    Fresh { access_key_id: format!("{TEMPORARY_PREFIX}{id}"), secret, token, token_sha256 }
}
