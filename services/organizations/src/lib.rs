//! Organizations: several accounts in one installation, arranged in a tree, under ceilings.
//!
//! Nouns: an **organisation** belongs to its **management account** and has one **root**; below it are **units** (up to
//! five deep) and **accounts**; **policies** are attached to any of them. Service control policies limit what principals of
//! an account may do, resource control policies what may be done to its resources; the kernel's gate asks here for both on
//! every request ([`casemate_kernel::Ceilings`]).
//!
//! Invariants: an account is in one organisation at most. A document that does not parse cannot be stored; a stored one that
//! no longer parses denies everything. Every change takes effect on the next request: what is compiled is kept only until
//! any write. An account made here exists for the gate before anybody can act in it, so its ceilings are never late.
//!
//! DIVERGES: no invitations and handshakes, delegated administrators, transfers of responsibility, nor policies that are not
//! about access (tags, backups, …): what reads them finds none.

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "generated: enumerations with many values")]
pub mod api;

mod attachments;
mod birth;
mod ceilings;
mod document;
mod nodes;
mod ops;
mod page;
mod policies;
mod rcp_services;
mod refusal;
mod resource;
mod rows;
mod services;
mod show;
mod tags;

use std::sync::Arc;

use casemate_kernel::{Access, Ask, Assembly, Caller, Ceilings, Env, Fault, Proof, ResourcePolicy, Service};
use casemate_names::{Arn, Scope, Timestamp, lower_alphanumeric};
use casemate_store::{ReadTx, WriteTx};

use crate::{api::Error, ceilings::Cache, document::PolicyKind, resource::Place, rows::OrganizationRow};

/// The service.
#[derive(Debug)]
pub struct Organizations {
    env: Env,
    cache: Cache,
}

/// Opens the service. Its assembly carries the ceilings.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let service = Arc::new(Organizations { env: env.clone(), cache: Cache::default() });
    Ok(Assembly {
        operations: ops::operations(&service),
        ceilings: Some(Arc::clone(&service) as Arc<dyn Ceilings>),
        ..Assembly::default()
    })
}

impl Organizations {
    fn scope(&self, caller: &Caller) -> Scope {
        caller.account().map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account))
    }

    /// Reads the organisation that the account of `scope` manages.
    pub(crate) fn read<R>(
        &self,
        scope: &Scope,
        closure: impl FnOnce(&ReadTx<'_>, &OrganizationRow) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.env.store.read(|tx| closure(tx, &OrganizationRow::managed_by(tx, &scope.account)?))
    }

    /// Changes the organisation that the account of `scope` manages. What was compiled is forgotten before the caller is
    /// answered.
    pub(crate) async fn change<R, F>(&self, scope: &Scope, closure: F) -> Result<R, Error>
    where
        F: Fn(&mut WriteTx<'_>, &mut OrganizationRow) -> Result<R, Error> + Send + 'static,
        R: Send + 'static,
    {
        let account = scope.account.clone();
        self.write(move |tx| {
            let mut organization = OrganizationRow::managed_by(tx, &account)?;
            let result = closure(tx, &mut organization)?;
            organization.save(tx)?;
            Ok(result)
        })
        .await
    }

    /// Any other write.
    pub(crate) async fn write<R, F>(&self, closure: F) -> Result<R, Error>
    where
        F: Fn(&mut WriteTx<'_>) -> Result<R, Error> + Send + 'static,
        R: Send + 'static,
    {
        let result = self.env.store.write(closure).await;
        self.cache.forget();
        result
    }

    /// What an operation asks for on roots, units, accounts and policies of the caller's organisation, all of which must be
    /// allowed; on `*` when it names none.
    pub(crate) fn ask(
        &self,
        action: &'static str,
        ids: &[&str],
        kind: Option<PolicyKind>,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let found = self.env.store.read(|tx| {
            let Some(organization) = OrganizationRow::of_account(tx, &scope.account)? else {
                return Ok(None);
            };
            let mut kind = kind;
            for id in ids.iter().filter(|id| id.starts_with("p-")) {
                kind = policies::find(tx, &organization, id)?.map(|policy| policy.kind);
            }
            Ok::<_, Error>(Some((organization, kind)))
        })?;
        let kind = found.as_ref().map_or(kind, |(_, kind)| *kind);
        let place = match &found {
            Some((organization, _)) => organization.place(),
            // Whoever is in no organisation asks for things of his own that do not exist.
            None => Place { management: &scope.account, organization: "o-none" },
        };
        let with_kind = |ask: Ask| match kind {
            Some(kind) => ask.with("organizations:PolicyType", kind.api().as_str()),
            None if ids.iter().any(|id| id.starts_with("p-")) => ask.with_unknown("organizations:PolicyType"),
            None if ids.iter().any(|id| id.starts_with("rt-")) => of_transfer(ask),
            None => ask,
        };
        let asks = if ids.is_empty() {
            vec![with_kind(Ask::on_any(action))]
        } else {
            ids.iter().map(|id| with_kind(Ask::on(action, place.arn_of(id, kind)))).collect()
        };
        Ok(Access::Iam(asks))
    }

    /// An id: a prefix that tells the kind, then letters and digits that tell nothing.
    pub(crate) fn new_id(&self, stream: &'static str, prefix: &str, length: usize) -> String {
        format!("{prefix}{}", lower_alphanumeric(&*self.env.entropy, stream, length))
    }
}

/// An ask about transfers of responsibility. Of what kind and in which direction one that does not exist would be nobody can
/// tell; and how the keys spell what a listing asks for AWS does not document.
pub(crate) fn of_transfer(ask: Ask) -> Ask {
    ask.with_unknown("organizations:TransferDirection").with_unknown("organizations:TransferType")
}

impl Service for Organizations {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["organizations"];

    // AWS: constraint violations of Organizations are `InvalidInputException` (API reference).
    const VALIDATION_CODE: &'static str = "InvalidInputException";

    fn verify(&self, proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        Err(Fault::broken(format!("no operation of this service takes a proof such as a {}", proof.kind))
            .into())
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let Some((organization, id)) = resource::parts(arn) else { return Ok(Vec::new()) };
        let row = self.env.store.read(|tx| OrganizationRow::find(tx, organization))?;
        // The ARN names the management account, too: nobody else's ARN has these tags.
        let row = row.filter(|row| arn.account_id().as_ref() == Some(&row.management));
        Ok(row.and_then(|mut row| row.tags.remove(id)).unwrap_or_default().into_iter().collect())
    }
}
