//! What the gate learns of an account's organisation. Every policy is compiled once and shared by all nodes it is attached
//! to; what is compiled is kept until any write.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use casemate_kernel::{
    Ceilings, Fault, Membership,
    policy::{NamedPolicy, Policy},
};
use casemate_names::AccountId;
use casemate_store::ReadTx;

use crate::{
    Organizations,
    api::Error,
    document::{self, PolicyKind},
    policies::{self, RCP_FULL_AWS_ACCESS},
    rcp_services,
    rows::OrganizationRow,
};

/// Entries of one sort; beyond it the cache starts again.
const CACHED_MAX: usize = 10_000;

/// What has been compiled since the last write.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Counts the writes.
    generation: u64,
    accounts: HashMap<AccountId, Option<Arc<Membership>>>,
    /// By organisation and id.
    policies: HashMap<(String, String), Arc<Policy>>,
}

impl Cache {
    /// Forgets everything: an organisation was written.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let generation = kept.generation.wrapping_add(1);
        *kept = Kept { generation, ..Kept::default() };
    }

    /// What is known of an account, or the generation to compute it for.
    fn account(&self, account: &AccountId) -> Result<Option<Arc<Membership>>, u64> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.accounts.get(account).cloned().ok_or(kept.generation)
    }

    fn policy(&self, generation: u64, key: &(String, String)) -> Option<Arc<Policy>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if kept.generation == generation { kept.policies.get(key).cloned() } else { None }
    }

    /// Runs `keep` unless something was written since `generation` was read.
    fn keep(&self, generation: u64, keep: impl FnOnce(&mut Kept)) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // INVARIANT: what was read before the latest write is not kept.
        if kept.generation == generation {
            if kept.accounts.len() >= CACHED_MAX || kept.policies.len() >= CACHED_MAX {
                *kept = Kept { generation, ..Kept::default() };
            }
            keep(&mut kept);
        }
    }
}

impl Ceilings for Organizations {
    fn membership(&self, account: &AccountId) -> Result<Option<Arc<Membership>>, Fault> {
        let generation = match self.cache.account(account) {
            Ok(found) => return Ok(found),
            Err(generation) => generation,
        };
        let computed = self.env.store.read(|tx| {
            let organization = OrganizationRow::of_account(tx, account)?;
            organization.map(|o| self.computed(tx, generation, &o, account).map(Arc::new)).transpose()
        })?;
        self.cache.keep(generation, |kept| {
            kept.accounts.insert(account.clone(), computed.clone());
        });
        Ok(computed)
    }

    fn governs(&self, action: &str) -> bool {
        rcp_services::governs(action)
    }
}

impl Organizations {
    fn computed(
        &self,
        tx: &ReadTx<'_>,
        generation: u64,
        organization: &OrganizationRow,
        account: &AccountId,
    ) -> Result<Membership, Error> {
        let id = account.as_str();
        let broken = || Fault::broken(format!("account {id} does not hang on its organization's root"));
        let member = organization.accounts.get(id).ok_or_else(broken)?;
        let path = organization.path(&member.parent).ok_or_else(broken)?;
        let lineage = organization.lineage(id).ok_or_else(broken)?;
        // AWS: Organizations User Guide: neither kind has effect on the management account.
        let exempt = organization.management == *account;
        let levels = |kind: PolicyKind| -> Result<Vec<Vec<NamedPolicy>>, Error> {
            if member.closed {
                let policy = document::denying_everything(kind)?;
                return Ok(vec![vec![NamedPolicy { name: "the account is closed".into(), policy }]]);
            }
            if exempt || !organization.enabled.contains(&kind) {
                return Ok(Vec::new());
            }
            lineage.iter().map(|node| self.level(tx, generation, organization, node, kind)).collect()
        };
        Ok(Membership {
            organization: organization.id.clone(),
            path,
            service_control: levels(PolicyKind::ServiceControl)?,
            resource_control: levels(PolicyKind::ResourceControl)?,
            management: Some(organization.management.clone()),
            all_features: organization.all_features,
            services: organization.services.iter().map(|(name, _)| name.clone()).collect(),
            closed: member.closed,
        })
    }

    fn level(
        &self,
        tx: &ReadTx<'_>,
        generation: u64,
        organization: &OrganizationRow,
        node: &str,
        kind: PolicyKind,
    ) -> Result<Vec<NamedPolicy>, Error> {
        let ids = organization.attached_to(node, kind);
        // What allows everything and cannot be detached needs no evaluation: the others can only deny.
        ids.iter()
            .filter(|id| *id != RCP_FULL_AWS_ACCESS)
            .map(|id| {
                let policy = self.compiled(tx, generation, organization, id, kind)?;
                let name = organization.place().arn_of(id, Some(kind)).as_str().into();
                Ok(NamedPolicy { name, policy })
            })
            .collect()
    }

    fn compiled(
        &self,
        tx: &ReadTx<'_>,
        generation: u64,
        organization: &OrganizationRow,
        id: &str,
        kind: PolicyKind,
    ) -> Result<Arc<Policy>, Error> {
        let key = (organization.id.clone(), id.to_owned());
        if let Some(known) = self.cache.policy(generation, &key) {
            return Ok(known);
        }
        let policy = match policies::find(tx, organization, id)? {
            Some(row) => document::compiled(&row.content, kind)?,
            // An attached policy that is gone: nobody can tell what it denied.
            None => document::denying_everything(kind)?,
        };
        self.cache.keep(generation, |kept| {
            kept.policies.insert(key, Arc::clone(&policy));
        });
        Ok(policy)
    }
}
