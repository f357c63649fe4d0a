//! The kernel's directory: who a key belongs to, which policies bind whom, who may assume a role.
//!
//! Everything compiled is cached until any identity is written. An answer computed from a snapshot older than the
//! latest write is used once at most and never kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use casemate_kernel::{
    Caller, Directory, Env, Fault, IdentityPolicies, LongTermCredential, RoleFacts,
    policy::{Kind, NamedPolicy},
};
use casemate_names::{AccountId, Arn, Timestamp};
use casemate_store::ReadTx;

use crate::{
    api::Error,
    documents,
    entity::Entity,
    holder::Holder,
    rows::{AccessKeyRow, RoleRow, UserRow, access_key_key, managed_document},
    trust,
};

/// Entries of one sort; beyond it the cache starts again.
const CACHED_MAX: usize = 10_000;

/// When and for what a key was last used.
#[derive(Debug, Clone)]
pub(crate) struct LastUse {
    pub(crate) at: Timestamp,
    pub(crate) service: String,
}

/// What has been compiled since the last write.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kept: RwLock<Kept>,
    /// DIVERGES: the last use of a key is forgotten when the server stops.
    last_use: Mutex<HashMap<String, LastUse>>,
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

    /// When a key was last used.
    pub(crate) fn last_use(&self, access_key_id: &str) -> Option<LastUse> {
        self.last_use.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }

    fn note_use(&self, access_key_id: &str, service: &str, at: Timestamp) {
        let mut uses = self.last_use.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() >= CACHED_MAX {
            uses.clear();
        }
        uses.insert(access_key_id.to_owned(), LastUse { at, service: service.to_owned() });
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

    fn compiled(&self, tx: &ReadTx<'_>, holder: &Holder) -> Result<IdentityPolicies, Error> {
        let named = |name: &str, text: &str| -> Result<NamedPolicy, Error> {
            Ok(NamedPolicy { name: name.to_owned(), policy: documents::compiled(text, Kind::Identity)? })
        };
        let managed = |arn: &String| match managed_document(tx, &self.env, arn)? {
            Some(text) => named(arn, &text),
            // An attached policy that is gone: nobody can tell what it denied.
            None => Ok(NamedPolicy { name: arn.clone(), policy: documents::denying_everything()? }),
        };
        let inline = holder.inline.iter().map(|(name, text)| named(name, text));
        Ok(IdentityPolicies {
            identity: holder.attached.iter().map(managed).chain(inline).collect::<Result<_, _>>()?,
            boundary: holder.boundary.as_ref().map(managed).transpose()?,
            tags: holder.tags.clone(),
        })
    }

    /// The policies of a user or role, if it still is the one with that unique id.
    fn current(&self, caller: &Caller) -> Result<Option<IdentityPolicies>, Error> {
        self.env.store.read(|tx| {
            let holder = match caller {
                Caller::User { name, unique_id, account, .. } => {
                    let scope = self.env.scope_of(account);
                    UserRow::find(tx, &scope, name)?
                        .filter(|user| user.unique_id == *unique_id)
                        .map(|u| u.holder)
                }
                Caller::Role(session) => {
                    let scope = self.env.scope_of(&session.account);
                    RoleRow::by_arn(tx, &scope, &session.role_arn)?
                        .filter(|role| role.unique_id == session.role_unique_id)
                        .map(|role| role.holder)
                }
                _ => Some(Holder::default()),
            };
            holder.map(|holder| self.compiled(tx, &holder)).transpose()
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
                        trust: trust::compiled(tx, &self.env, &role)?,
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
        let unique_id = match caller {
            Caller::User { unique_id, .. } => unique_id.as_str(),
            Caller::Role(session) => session.role_unique_id.as_str(),
            // Root needs none; others have none.
            _ => return Ok(Some(Arc::default())),
        };
        self.cache.get_or(
            |kept| &kept.policies,
            |kept| &mut kept.policies,
            unique_id,
            || Ok(self.current(caller)?.map(Arc::new)),
        )
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

    fn role_named(&self, account: &AccountId, name: &str) -> Result<Option<Arn>, Fault> {
        let scope = self.env.scope_of(account);
        Ok(self.env.store.read(|tx| RoleRow::find(tx, &scope, name))?.map(|role| role.arn(&scope)))
    }

    fn used(&self, access_key_id: &str, service: &str, now: Timestamp) {
        self.cache.note_use(access_key_id, service, now);
    }
}
