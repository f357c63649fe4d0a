//! Sessions of an account's root that the account's organisation makes: for one task, for minutes. They have the rights of
//! the root, of which the task's policy takes away all but a few.
//!
//! Refuses to know which tasks there are and which accounts may do them: that is what the gate has admitted, and what the
//! directory says anew on every request.

use std::sync::Arc;

use casemate_names::{AccountId, Arn, Secret, Timestamp};
use casemate_policy::{Kind, NamedPolicy, Policy};
use casemate_store::Row;
use serde::{Deserialize, Serialize};

use crate::{
    Caller, Denial, Fault, Permit, Sessions, UserCredentials,
    session::{Fresh, fresh_credentials},
    session_table::{LiveSession, compile},
};

/// The action that an organisation's root access is.
const ASSUME_ROOT: &str = "sts:AssumeRoot";

/// What stands beside the task's policy in the session.
// AWS: the policies of root tasks (IAM User Guide, "AWS managed policies for IAM") deny and allow nothing, so that what they
// leave of the root's rights is what the session has.
const RIGHTS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Temporary credentials of an account's root for one task, made by its organisation.
#[derive(Debug, Clone)]
pub struct RootSession {
    /// `Caller::Root`: of the member.
    pub owner: Caller,
    /// The member.
    pub account: AccountId,
    /// The organisation by whose right the session was made.
    pub organization: String,
    /// The ARN of the task's policy.
    pub task: String,
    /// What the session is limited to.
    pub policies: Vec<NamedPolicy>,
    /// `sts:SourceIdentity` of whoever made it.
    pub source_identity: Option<String>,
    /// When the credentials were made: `aws:TokenIssueTime`.
    pub issued_at: Timestamp,
    /// When they end.
    pub expires_at: Timestamp,
    /// The function whose environment they were made in: `lambda:SourceFunctionArn`.
    pub source_function: Option<Arn>,
}

/// What a new session of a root shall be.
#[derive(Debug)]
pub struct RootRequest {
    /// The member.
    pub account: AccountId,
    /// The ARN of the task's policy, and the document.
    pub task: (String, String),
    /// How long the credentials live, seconds.
    pub duration_s: i64,
    /// `sts:SourceIdentity`
    pub source_identity: Option<String>,
    /// The execution environment outside of which the credentials are worthless.
    pub bound_to: Option<String>,
    /// The function they are made for.
    pub source_function: Option<Arn>,
}

/// Such a session as it is stored.
// INVARIANT: in a table of its own. A program that does not know the task must not find the session: it would take it for
// the whole root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RootSessionRow {
    secret: Secret<String>,
    token_sha256: [u8; 32],
    account: AccountId,
    organization: String,
    task: (String, String),
    source_identity: Option<String>,
    issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    bound_to: Option<String>,
    source_function: Option<Arn>,
}

impl Row for RootSessionRow {
    const TABLE: &'static str = "kernel.root-sessions";
    const VERSION: u16 = 1;
}

impl Sessions {
    /// Makes credentials of a member's root for a caller whom the gate has admitted to that very root, by the right of the
    /// organisation whose policy the gate has weighed.
    pub async fn mint_root(&self, permit: &Permit, request: RootRequest) -> Result<UserCredentials, Fault> {
        let organization = self.admitted_by(permit, &request.account)?;
        let RootRequest { account, task, duration_s, source_identity, bound_to, source_function } = request;
        let Fresh { access_key_id, secret, token, token_sha256 } = fresh_credentials(self.kernel().entropy());
        let row = RootSessionRow {
            secret: Secret::new(secret.clone()),
            token_sha256,
            account,
            organization,
            task,
            source_identity,
            issued_at: permit.now(),
            expires_at: permit.now().plus_seconds(duration_s),
            bound_to,
            source_function,
        };
        let session = row.session()?;
        // What the gate has weighed may have changed since.
        if !self.kernel().directory().admits_root_session(&session)? {
            return Err(not_admitted(&session.account));
        }
        let expires_at = row.expires_at;
        self.kernel().session_table().insert_root(&access_key_id, row).await?;
        Ok(UserCredentials {
            access_key_id,
            secret_access_key: Secret::new(secret),
            session_token: Secret::new(token),
            expires_at,
            caller: Caller::RootSession(Box::new(session)),
        })
    }

    /// The organisation by whose right the call may become the account's root.
    fn admitted_by(&self, permit: &Permit, account: &AccountId) -> Result<String, Fault> {
        // AWS: STS API reference, AssumeRoot: not with credentials of a root. Federated users and sessions of
        // GetSessionToken have no right to it either.
        if !matches!(permit.caller(), Caller::User { .. } | Caller::Role(_)) {
            return Err(not_admitted(account));
        }
        let root = root_arn(account);
        let place = match self.kernel().ceilings() {
            Some(ceilings) => ceilings.membership(account)?,
            None => None,
        };
        place
            .map(|place| place.organization.clone())
            .filter(|organization| permit.admits_very(ASSUME_ROOT, &root, organization))
            .ok_or_else(|| not_admitted(account))
    }
}

impl RootSessionRow {
    fn session(&self) -> Result<RootSession, Fault> {
        let rights = Policy::parse(RIGHTS, Kind::Session).map_err(Fault::internal)?;
        let mut policies = vec![NamedPolicy { name: "rights of the root".into(), policy: Arc::new(rights) }];
        policies.extend(compile(std::slice::from_ref(&self.task))?);
        Ok(RootSession {
            owner: Caller::Root { account: self.account.clone() },
            account: self.account.clone(),
            organization: self.organization.clone(),
            task: self.task.0.clone(),
            policies,
            source_identity: self.source_identity.clone(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            source_function: self.source_function.clone(),
        })
    }

    pub(crate) fn live(self) -> Result<LiveSession, Fault> {
        let caller = Caller::RootSession(Box::new(self.session()?));
        Ok(LiveSession::new(self.secret, self.token_sha256, caller, self.expires_at, self.bound_to))
    }
}

/// `arn:aws:iam::123456789012:root`
fn root_arn(account: &AccountId) -> String {
    Caller::Root { account: account.clone() }.arn_text()
}

fn not_admitted(account: &AccountId) -> Fault {
    let resource = root_arn(account);
    let denial = Denial { action: ASSUME_ROOT, resource, decision: None };
    Fault::denied(denial, "the call was not admitted to act as this account's root")
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;
    use casemate_store::Store;

    use super::*;
    use crate::session_table::SessionTable;

    fn row(document: &str) -> RootSessionRow {
        RootSessionRow {
            secret: Secret::new("secret".to_owned()),
            token_sha256: [0; 32],
            account: AccountId::parse("123456789012").unwrap(),
            organization: "o-1".to_owned(),
            task: ("task".to_owned(), document.to_owned()),
            source_identity: None,
            issued_at: Timestamp::from_seconds(0),
            expires_at: Timestamp::from_seconds(900),
            bound_to: Some("environment".to_owned()),
            source_function: None,
        }
    }

    const TASK: &str =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotAction":"a:Task","Resource":"*"}}"#;

    #[test]
    fn a_stored_session_is_bounded_by_its_task_and_bound_to_its_environment() {
        let live = row(TASK).live().unwrap();
        assert_eq!(live.bound_to.as_deref(), Some("environment"));
        let policies = live.caller.session_policies().unwrap();
        let names: Vec<&str> = policies.iter().map(|named| named.name.as_ref()).collect();
        assert_eq!(names, ["rights of the root", "task"]);
        assert_eq!(live.caller.arn_text(), "arn:aws:iam::123456789012:root");
        assert!(!matches!(live.caller, Caller::Root { .. }));
    }

    #[test]
    fn a_task_that_is_not_understood_makes_no_session() {
        for document in ["", "{}", r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny"}}"#] {
            assert!(row(document).live().is_err(), "{document}");
        }
    }

    #[tokio::test]
    async fn a_session_is_forgotten_when_it_ends_and_when_it_is_revoked() {
        let table = SessionTable::new(Store::in_memory(Arc::new(NamedEntropy::seeded(1))));
        for id in ["ASIAENDED", "ASIAREVOKED"] {
            table.insert_root(id, row(TASK)).await.unwrap();
            assert!(table.find(id).unwrap().is_some());
        }
        table.remove("ASIAREVOKED").await.unwrap();
        assert!(table.find("ASIAREVOKED").unwrap().is_none());
        table.sweep(Timestamp::from_seconds(901)).await.unwrap();
        assert!(table.find("ASIAENDED").unwrap().is_none());
    }
}
