//! The kernel's directory: who a key belongs to, which policies bind whom, who may assume a role.
//!
//! What is known of an identity is cached until any identity is written; what a document compiles to, for longer (`compiled`).
//! An answer computed from a snapshot older than the latest write is used once at most and never kept.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use casemate_kernel::{
    BoxFuture, Caller, Directory, Env, Fault, IdentityPolicies, IdentityProvider, LongTermCredential,
    MfaAnswer, RoleFacts, RootSession, TokenAlgorithm, policy::NamedPolicy,
};
use casemate_names::{AccountId, Arn, Scope, Timestamp};
use casemate_store::ReadTx;
use serde_json::{Map, Value};

use crate::{
    api::Error,
    compiled::Compiled,
    documents,
    entity::Entity,
    holder::Holder,
    membership, mfa,
    outbound::{self, Parsed},
    providers, root_access,
    rows::{AccessKeyRow, RoleRow, UserRow, access_key_key, managed_document},
    trust,
    uses::Uses,
};

/// Entries of one sort; beyond it the cache starts again.
const CACHED_MAX: usize = 10_000;

/// What has been read since the last write, and compiled before it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kept: RwLock<Kept>,
    documents: Compiled,
    /// When keys were last used.
    pub(crate) uses: Uses,
    /// Keys of token issuers; they never change.
    pub(crate) outbound: Parsed,
}

#[derive(Debug, Default)]
struct Kept {
    /// Counts the writes.
    generation: u64,
    policies: HashMap<String, Arc<IdentityPolicies>>,
    roles: HashMap<String, Arc<RoleFacts>>,
    credentials: HashMap<String, LongTermCredential>,
}

impl Cache {
    /// Forgets everything: an identity was written.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let generation = kept.generation.wrapping_add(1);
        *kept = Kept { generation, ..Kept::default() };
    }

    /// Looks in the part of the cache that `part` chooses; computes and keeps what is not there.
    fn get_or<T: Clone>(
        &self,
        part: impl Fn(&Kept) -> &HashMap<String, T>,
        part_mut: impl Fn(&mut Kept) -> &mut HashMap<String, T>,
        key: &str,
        compute: impl FnOnce() -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Fault> {
        let before = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = part(&kept).get(key) {
                return Ok(Some(found.clone()));
            }
            kept.generation
        };
        let Some(computed) = compute()? else { return Ok(None) };
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // INVARIANT: what was read before the latest write is not kept.
        if kept.generation == before {
            let map = part_mut(&mut kept);
            if map.len() >= CACHED_MAX {
                map.clear();
            }
            map.insert(key.to_owned(), computed.clone());
        }
        Ok(Some(computed))
    }
}

/// The directory.
#[derive(Debug)]
pub(crate) struct IamDirectory {
    env: Env,
    cache: Arc<Cache>,
}

impl IamDirectory {
    pub(crate) fn new(env: Env, cache: Arc<Cache>) -> Self {
        Self { env, cache }
    }

    /// The managed and inline policies that a user, group or role holds. `label` stands before the names of inline ones.
    fn held(&self, tx: &ReadTx<'_>, holder: &Holder, label: &str) -> Result<Vec<NamedPolicy>, Error> {
        let managed = holder.attached.iter().map(|arn| self.managed(tx, arn));
        let inline = holder.inline.iter().map(|(name, text)| self.named(&format!("{label}{name}"), text));
        managed.chain(inline).collect()
    }

    fn named(&self, name: &str, text: &str) -> Result<NamedPolicy, Error> {
        Ok(NamedPolicy { name: name.into(), policy: self.cache.documents.of(text)? })
    }

    fn managed(&self, tx: &ReadTx<'_>, arn: &str) -> Result<NamedPolicy, Error> {
        match managed_document(tx, &self.env, arn)? {
            Some(text) => self.named(arn, &text),
            // An attached policy that is gone: nobody can tell what it denied.
            None => Ok(NamedPolicy { name: arn.into(), policy: documents::denying_everything()? }),
        }
    }

    /// What binds a user or role with what it holds itself.
    fn compiled(&self, tx: &ReadTx<'_>, holder: &Holder) -> Result<IdentityPolicies, Error> {
        Ok(IdentityPolicies {
            identity: self.held(tx, holder, "")?,
            boundary: holder.boundary.as_ref().map(|arn| self.managed(tx, arn)).transpose()?,
            tags: holder.tags.clone(),
        })
    }

    /// What binds a user: its own policies and those of its groups.
    fn of_user(&self, tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<IdentityPolicies, Error> {
        let mut policies = self.compiled(tx, &user.holder)?;
        for group in membership::groups_of(tx, scope, user)? {
            // Explanations say through which group a policy came.
            policies.identity.extend(self.held(tx, &group.holder, &format!("group/{}/", group.name))?);
        }
        Ok(policies)
    }

    /// The policies of a user or role, if it still is the one with that unique id, and still has the name and path by which the
    /// caller is known: sessions of a user who has been renamed or moved speak of him as he was.
    fn current(&self, caller: &Caller) -> Result<Option<IdentityPolicies>, Error> {
        self.env.store.read(|tx| match caller {
            Caller::User { name, unique_id, account, arn } => {
                let scope = self.env.scope_of(account);
                UserRow::find(tx, &scope, name)?
                    .filter(|user| user.unique_id == *unique_id && user.arn(&scope) == *arn)
                    .map(|user| self.of_user(tx, &scope, &user))
                    .transpose()
            }
            Caller::Role(session) => {
                let scope = self.env.scope_of(&session.account);
                RoleRow::by_arn(tx, &scope, &session.role_arn)?
                    .filter(|role| role.unique_id == session.role_unique_id)
                    .map(|role| self.compiled(tx, &role.holder))
                    .transpose()
            }
            _ => Ok(Some(IdentityPolicies::default())),
        })
    }
}

impl Directory for IamDirectory {
    fn credential(&self, access_key_id: &str) -> Result<Option<LongTermCredential>, Fault> {
        if access_key_id.len() > crate::rows::NAME_BYTES_MAX {
            return Ok(None);
        }
        self.cache.get_or(
            |kept| &kept.credentials,
            |kept| &mut kept.credentials,
            access_key_id,
            || {
                self.env.store.read(|tx| {
                    let Some(row) = tx.get::<AccessKeyRow>(&access_key_key(access_key_id))? else {
                        return Ok(None);
                    };
                    let owner = match &row.user {
                        None => Caller::Root { account: row.account.clone() },
                        Some(name) => {
                            let scope = self.env.scope_of(&row.account);
                            let Some(user) = UserRow::find(tx, &scope, name)? else { return Ok(None) };
                            Caller::User {
                                arn: user.arn(&scope),
                                unique_id: user.unique_id,
                                name: user.name,
                                account: row.account,
                            }
                        }
                    };
                    Ok(Some(LongTermCredential { secret: row.secret, active: row.active, owner }))
                })
            },
        )
    }

    fn role(&self, arn: &Arn) -> Result<Option<Arc<RoleFacts>>, Fault> {
        self.cache.get_or(
            |kept| &kept.roles,
            |kept| &mut kept.roles,
            arn.as_str(),
            || {
                self.env.store.read(|tx| {
                    let scope = self.env.scope_of_arn(arn);
                    let Some(role) = RoleRow::by_arn(tx, &scope, arn)? else { return Ok(None) };
                    Ok(Some(Arc::new(RoleFacts {
                        arn: arn.clone(),
                        trust: trust::compiled(&role)?,
                        unique_id: role.unique_id,
                        name: role.name,
                        account: scope.account,
                        session_s_max: role.session_s_max,
                    })))
                })
            },
        )
    }

    fn policies(&self, caller: &Caller) -> Result<Option<Arc<IdentityPolicies>>, Fault> {
        // With the name by which the caller is known: what was found under another is no answer for this one.
        let known_as = match caller {
            Caller::User { unique_id, arn, .. } => format!("{unique_id} {}", arn.as_str()),
            Caller::Role(session) => session.role_unique_id.clone(),
            // Root needs none; others have none.
            _ => return Ok(Some(Arc::default())),
        };
        self.cache.get_or(
            |kept| &kept.policies,
            |kept| &mut kept.policies,
            &known_as,
            || Ok(self.current(caller)?.map(Arc::new)),
        )
    }

    fn admits_root_session(&self, session: &RootSession) -> Result<bool, Fault> {
        root_access::admits(&self.env, session)
    }

    fn managed_policy(&self, arn: &str) -> Result<Option<String>, Fault> {
        Ok(self.env.store.read(|tx| managed_document(tx, &self.env, arn))?)
    }

    fn unique_id(&self, arn: &Arn) -> Result<Option<String>, Fault> {
        if arn.service() != "iam" {
            return Ok(None);
        }
        Ok(self.env.store.read(|tx| trust::unique_id(tx, &self.env, arn))?)
    }

    fn verify_mfa<'a>(
        &'a self,
        caller: &'a Caller,
        serial: &'a str,
        code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<MfaAnswer, Fault>> {
        Box::pin(async move {
            let Some(account) = caller.account() else { return Ok(MfaAnswer::NoSuchDevice) };
            let scope = self.env.scope_of(&account);
            let (caller, serial, code) = (caller.clone(), serial.to_owned(), code.to_owned());
            let judged = self
                .env
                .store
                .write::<_, Error, _>(move |tx| mfa::judge(tx, &scope, &caller, (&serial, &code), now));
            Ok(judged.await?)
        })
    }

    fn identity_provider(&self, arn: &Arn) -> Result<Option<IdentityProvider>, Fault> {
        let scope = self.env.scope_of_arn(arn);
        Ok(self.env.store.read(|tx| providers::known(tx, &scope, arn))?)
    }

    fn role_named(&self, account: &AccountId, name: &str) -> Result<Option<Arn>, Fault> {
        let scope = self.env.scope_of(account);
        Ok(self.env.store.read(|tx| RoleRow::find(tx, &scope, name))?.map(|role| role.arn(&scope)))
    }

    fn attest(
        &self,
        account: &AccountId,
        algorithm: TokenAlgorithm,
        claims: Map<String, Value>,
    ) -> Result<Option<String>, Fault> {
        let scope = self.env.scope_of(account);
        let issuer = self.env.store.read(|tx| outbound::issuer(tx, &scope))?;
        let signed = issuer
            .filter(|issuer| issuer.enabled)
            .map(|issuer| self.cache.outbound.sign(&self.env, &issuer, algorithm, claims));
        signed.transpose()
    }

    fn is_own_issuer(&self, issuer: &str) -> bool {
        outbound::is_identifier(&self.env, issuer)
    }

    fn used(&self, access_key_id: &str, service: &str, now: Timestamp) {
        self.cache.uses.note(access_key_id, service, now);
    }
}
