//! Temporary credentials of users: user sessions and federated users. They are made for the caller of an admitted call
//! and hold no right that the caller does not have.

use casemate_names::{AccountId, Arn, Secret, Timestamp};
use casemate_store::Row;
use serde::{Deserialize, Serialize};

use crate::{
    Caller, Fault, FederatedSession, Permit, Sessions, UserSession,
    session::{Fresh, fresh_credentials},
    session_table::{LiveSession, compile},
};

/// What a federated user shall be.
#[derive(Debug)]
pub struct FederatedRequest {
    /// Its name.
    pub name: String,
    /// How long the credentials live, seconds.
    pub duration_s: i64,
    /// Session policies as `(name, document)`; without any it has no rights of its own.
    pub policies: Vec<(String, String)>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
}

/// Temporary credentials of a user, as handed out once.
#[derive(Debug, Clone)]
pub struct UserCredentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Secret<String>,
    /// Must accompany every request.
    pub session_token: Secret<String>,
    /// When they end.
    pub expires_at: Timestamp,
    /// Whom they stand for.
    pub caller: Caller,
}

/// Temporary credentials of a user as they are stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserSessionRow {
    secret: Secret<String>,
    token_sha256: [u8; 32],
    owner: OwnerRow,
    issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    mfa_at: Option<Timestamp>,
    federated: Option<FederatedRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OwnerRow {
    account: AccountId,
    /// `None`: the account's root.
    user: Option<UserRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct UserRow {
    arn: Arn,
    unique_id: String,
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct FederatedRow {
    name: String,
    policies: Vec<(String, String)>,
    tags: Vec<(String, String)>,
}

impl Row for UserSessionRow {
    const TABLE: &'static str = "kernel.user-sessions";
    const VERSION: u16 = 1;
}

impl Sessions {
    /// Makes credentials that act as the caller of an admitted call: a user or an account's root with long-term
    /// credentials. They carry the fact of multi-factor authentication if that very call was made with a code.
    pub async fn mint_for_user(&self, permit: &Permit, duration_s: i64) -> Result<UserCredentials, Fault> {
        let mfa_at = permit.mfa().then(|| permit.now());
        self.keep_for_user(permit, duration_s, mfa_at, None).await
    }

    /// Makes credentials of a federated user for the caller of an admitted call: a user or an account's root with
    /// long-term credentials.
    pub async fn mint_federated(
        &self,
        permit: &Permit,
        request: FederatedRequest,
    ) -> Result<UserCredentials, Fault> {
        let FederatedRequest { name, duration_s, policies, tags } = request;
        let row = FederatedRow { name, policies, tags };
        self.keep_for_user(permit, duration_s, None, Some(row)).await
    }

    async fn keep_for_user(
        &self,
        permit: &Permit,
        duration_s: i64,
        mfa_at: Option<Timestamp>,
        federated: Option<FederatedRow>,
    ) -> Result<UserCredentials, Fault> {
        let owner = OwnerRow::of(permit.caller())
            .ok_or_else(|| Fault::broken("temporary credentials of a user were asked for another caller"))?;
        let Fresh { access_key_id, secret, token, token_sha256 } = fresh_credentials(self.kernel().entropy());
        let row = UserSessionRow {
            secret: Secret::new(secret.clone()),
            token_sha256,
            owner,
            issued_at: permit.now(),
            expires_at: permit.now().plus_seconds(duration_s),
            mfa_at,
            federated,
        };
        let caller = row.caller()?;
        let expires_at = row.expires_at;
        self.kernel().session_table().insert_user(&access_key_id, row).await?;
        Ok(UserCredentials {
            access_key_id,
            secret_access_key: Secret::new(secret),
            session_token: Secret::new(token),
            expires_at,
            caller,
        })
    }
}

impl OwnerRow {
    fn of(caller: &Caller) -> Option<Self> {
        match caller {
            Caller::Root { account } => Some(Self { account: account.clone(), user: None }),
            Caller::User { arn, unique_id, name, account } => Some(Self {
                account: account.clone(),
                user: Some(UserRow { arn: arn.clone(), unique_id: unique_id.clone(), name: name.clone() }),
            }),
            _ => None,
        }
    }

    fn caller(&self) -> Caller {
        match &self.user {
            None => Caller::Root { account: self.account.clone() },
            Some(user) => Caller::User {
                arn: user.arn.clone(),
                unique_id: user.unique_id.clone(),
                name: user.name.clone(),
                account: self.account.clone(),
            },
        }
    }
}

impl UserSessionRow {
    fn caller(&self) -> Result<Caller, Fault> {
        let owner = self.owner.caller();
        let (issued_at, expires_at) = (self.issued_at, self.expires_at);
        let Some(federated) = &self.federated else {
            let session = UserSession { owner, issued_at, expires_at, mfa_at: self.mfa_at };
            return Ok(Caller::UserSession(Box::new(session)));
        };
        let account = self.owner.account.clone();
        let resource = format!("federated-user/{}", federated.name);
        Ok(Caller::Federated(Box::new(FederatedSession {
            arn: Arn::from_parts(["aws", "sts", "", account.as_str(), &resource]),
            name: federated.name.clone(),
            account,
            owner,
            tags: federated.tags.clone(),
            policies: compile(&federated.policies)?,
            issued_at,
            expires_at,
        })))
    }

    pub(crate) fn live(self) -> Result<LiveSession, Fault> {
        let caller = self.caller()?;
        Ok(LiveSession::new(self.secret, self.token_sha256, caller, self.expires_at, None))
    }
}
