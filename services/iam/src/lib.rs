//! IAM: users, groups, access keys, passwords, roles, instance profiles, inline and managed policies, tags and permissions
//! boundaries, the account's own settings, reports and the policy simulator; and the kernel's
//! directory of who exists and what is attached to them.
//!
//! Nouns: user, group, role, instance profile, managed policy, access key, login profile; their stored forms are in `rows.rs`.
//!
//! Invariants: a document that does not parse cannot be stored; a stored one that no longer parses denies everything.
//! What a role's trust policy names by ARN is bound to the unique id that the ARN had when it was written: a user or role
//! recreated under the same name inherits nothing. Every write takes effect on the next request: compiled policies are
//! cached only until any write.
//!
//! Not here: MFA devices other than virtual ones.

pub mod api;

mod access_keys;
mod account;
mod administrator;
mod assertion_keys;
mod birth;
mod by_arn;
mod compiled;
mod credential_report;
mod deposits;
mod details;
mod directory;
mod discovery;
mod documents;
mod entity;
mod holder;
mod last_accessed;
mod login_profiles;
mod membership;
mod mfa;
mod ops;
mod outbound;
mod page;
mod passwords;
mod profiles;
mod providers;
mod rename;
mod resource;
mod root_access;
mod rows;
mod server_certificates;
mod service_linked;
mod show;
mod simulate;
mod simulation;
mod sources;
mod ssh_keys;
mod tags;
mod totp;
mod trust;
mod uses;

use std::sync::Arc;

use casemate_kernel::{
    Access, Ask, Assembly, Caller, Env, Fault, Proof, ResourcePolicy, Service, Task,
    policy::{NamedPolicy, ResourceRule},
};
use casemate_names::{Arn, Entropy, Scope, Timestamp, lower_alphanumeric};
use casemate_store::{ReadTx, WriteTx};

use crate::{
    access_keys::Owner,
    api::Error,
    by_arn::ByArn,
    deposits::{Deposit, ServiceCredentialRow},
    directory::{Cache, IamDirectory},
    discovery::Discovery,
    entity::Entity,
    mfa::MfaRow,
    profiles::ProfileRow,
    providers::{OidcRow, SamlRow},
    rows::{PolicyRow, RoleRow, UserRow},
    server_certificates::ServerCertificateRow,
};

pub use administrator::ensure_administrator;

/// The service.
#[derive(Debug)]
pub struct Iam {
    env: Env,
    cache: Arc<Cache>,
}

/// Opens the service. Its assembly carries the directory.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let cache = Arc::new(Cache::default());
    let directory = IamDirectory::new(env.clone(), Arc::clone(&cache));
    let discovery = Discovery::new(env.clone(), Arc::clone(&cache));
    let service = Arc::new(Iam { env: env.clone(), cache });
    Ok(Assembly {
        operations: ops::operations(&service),
        directory: Some(Arc::new(directory)),
        data_planes: vec![Arc::new(discovery)],
        tasks: vec![Task { name: "iam.key-uses", work: Box::pin(uses::run(Arc::downgrade(&service))) }],
        ..Assembly::default()
    })
}

impl Iam {
    /// The account a caller acts in.
    pub(crate) fn scope(&self, caller: &Caller) -> Scope {
        caller.account().map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account))
    }

    /// A transaction that changes identities. Whatever was cached of them is forgotten before the caller is answered.
    pub(crate) async fn change<R, F>(&self, closure: F) -> Result<R, Error>
    where
        F: Fn(&mut WriteTx<'_>) -> Result<R, Error> + Send + 'static,
        R: Send + 'static,
    {
        let result = self.env.store.write(closure).await;
        self.cache.forget();
        result
    }

    /// A snapshot.
    pub(crate) fn read<R>(&self, closure: impl FnOnce(&ReadTx<'_>) -> Result<R, Error>) -> Result<R, Error> {
        self.env.store.read(closure)
    }

    /// What an operation on a user or role asks for: the action on the entity's ARN, with its permissions boundary.
    pub(crate) fn ask_on<E: Entity>(
        &self,
        action: &'static str,
        name: &str,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let found = self.read(|tx| Ok(E::find(tx, &scope, name)?))?;
        let Some(entity) = found else {
            return Ok(Access::on(action, resource::entity_arn(&scope, E::NOUN, "/", name)));
        };
        let mut ask = Ask::on(action, entity.arn(&scope));
        if let Some(boundary) = &entity.holder().boundary {
            ask = ask.with("iam:PermissionsBoundary", boundary.clone());
        }
        Ok(Access::Iam(vec![ask]))
    }

    /// What an operation asks for that is about the named user or else about its caller. Where neither is a user it asks for
    /// all of them; the operation itself then says what is missing, to those who may hear it.
    pub(crate) fn ask_on_owner(
        &self,
        action: &'static str,
        named: Option<&str>,
        caller: &Caller,
    ) -> Result<Access, Error> {
        match Owner::meant(named, caller) {
            Ok(Owner::User(name)) => self.ask_on::<UserRow>(action, &name, caller),
            Ok(Owner::Root) => Ok(self.ask_on_root(action, caller)),
            Err(_) => self.ask_on::<UserRow>(action, "*", caller),
        }
    }

    /// What an operation asks for that is about the account's root.
    // AWS: the policies of root tasks (IAM User Guide, "AWS managed policies for IAM") call it `arn:aws:iam::*:root`.
    pub(crate) fn ask_on_root(&self, action: &'static str, caller: &Caller) -> Access {
        Access::on(action, resource::root_arn(&self.scope(caller)))
    }

    /// What an operation on a user's credential for one service asks for, with that service.
    pub(crate) fn ask_on_service_credential(
        &self,
        action: &'static str,
        named: Option<&str>,
        id: &str,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let access = self.ask_on_owner(action, named, caller)?;
        let Ok(Owner::User(name)) = Owner::meant(named, caller) else { return Ok(access) };
        let scope = self.scope(caller);
        let found = self.read(|tx| match UserRow::find(tx, &scope, &name)? {
            Some(user) => Ok(ServiceCredentialRow::fetch(tx, &scope, &user, id).ok()),
            None => Ok(None),
        })?;
        // Of a credential that is not there nothing can be asked; the call then says so.
        Ok(match found {
            Some(row) => access.with(deposits::SERVICE_KEY, row.service),
            None => access,
        })
    }

    /// What an operation on a managed policy asks for. Text that is no ARN asks for a policy nobody has.
    pub(crate) fn ask_on_policy(&self, action: &'static str, arn: &str, caller: &Caller) -> Access {
        let arn = Arn::parse(arn).unwrap_or_else(|_| {
            let scope = self.scope(caller);
            resource::entity_arn(&scope, "policy", "/", arn)
        });
        Access::on(action, arn)
    }

    /// A unique id: four letters that tell the kind, seventeen that tell nothing.
    pub(crate) fn unique_id(&self, prefix: &str) -> String {
        unique_id(&*self.env.entropy, prefix)
    }

    /// An id of a SAML provider or of one of its keys.
    // AWS: `privateKeyIdType` has 22 to 64 letters and digits.
    pub(crate) fn saml_id(&self) -> String {
        let tail = lower_alphanumeric(&*self.env.entropy, "iam.saml-id", 28).to_ascii_uppercase();
        format!("ASPK{tail}")
    }
}

fn unaccepted() -> Error {
    // AWS: text of InvalidClientTokenId.
    Fault::coded("InvalidClientTokenId", 403, "The security token included in the request is invalid").into()
}

/// AWS tells the times of identities to the second.
pub(crate) fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds())
}

fn unique_id(entropy: &dyn Entropy, prefix: &str) -> String {
    let tail = lower_alphanumeric(entropy, "iam.unique-id", 17).to_ascii_uppercase();
    format!("{prefix}{tail}")
}

/// Is it a role's trust policy that speaks for `action`? Only assuming a role looks at it; managing the role does not.
fn is_trusted(resource: Option<&Arn>, action: &str) -> bool {
    let of_sts = action.split_once(':').is_some_and(|(service, _)| service.eq_ignore_ascii_case("sts"));
    of_sts && resource.is_none_or(|arn| arn.resource().starts_with("role/"))
}

impl Service for Iam {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["iam"];

    // AWS: the Query protocol's common error.
    const VALIDATION_CODE: &'static str = "ValidationError";

    fn verify(&self, proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        Err(Fault::broken(format!("no operation of this service takes a proof such as a {}", proof.kind))
            .into())
    }

    fn resource_policy(&self, arn: &Arn, action: &str) -> Result<Option<ResourcePolicy>, Error> {
        if let Some(policy) = birth::policy(arn, action)? {
            return Ok(Some(policy));
        }
        if let Some(policy) = root_access::policy(&self.env, arn, action)? {
            return Ok(Some(policy));
        }
        if !is_trusted(Some(arn), action) {
            return Ok(None);
        }
        let scope = self.env.scope_of_arn(arn);
        let found = self.read(|tx| RoleRow::by_arn(tx, &scope, arn))?;
        let (policy, unique_id) = match found {
            Some(role) => (trust::compiled(&role)?, Some(role.unique_id)),
            // AWS: a role that does not exist refuses as one that does not trust: the caller cannot tell.
            None => (documents::trusting_nobody()?, None),
        };
        let policy = NamedPolicy { name: format!("{arn} trust policy").into(), policy };
        let rule = Service::resource_rule(self, Some(arn), action);
        Ok(Some(ResourcePolicy { policy, rule, unique_id }))
    }

    fn resource_rule(&self, resource: Option<&Arn>, action: &str) -> ResourceRule {
        let of_root = resource.is_some_and(|arn| root_access::is_asked_of_root(arn, action));
        if of_root || is_trusted(resource, action) { ResourceRule::Trust } else { ResourceRule::Ordinary }
    }

    // AWS: STS API reference, GetSessionToken: "You cannot call any IAM API operations unless MFA authentication
    // information is included in the request"; GetFederationToken: none at all. The answer is that of a key that is
    // not known.
    fn accepts(&self, _operation: &'static str, caller: &Caller) -> Result<(), Error> {
        match caller {
            Caller::UserSession(session) if session.mfa_at.is_none() => Err(unaccepted()),
            Caller::Federated(_) => Err(unaccepted()),
            _ => Ok(()),
        }
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let scope = self.env.scope_of_arn(arn);
        let tags = self.read(|tx| {
            Ok(match arn.resource().split_once('/') {
                Some(("user", _)) => UserRow::by_arn(tx, &scope, arn)?.map(|user| user.holder.tags),
                Some(("role", _)) => RoleRow::by_arn(tx, &scope, arn)?.map(|role| role.holder.tags),
                Some(("instance-profile", _)) => {
                    ProfileRow::by_arn(tx, &scope, arn)?.map(|profile| profile.tags)
                }
                Some(("oidc-provider", _)) => OidcRow::find(tx, &scope, arn.as_str())?.map(|row| row.tags),
                Some(("saml-provider", _)) => SamlRow::find(tx, &scope, arn.as_str())?.map(|row| row.tags),
                Some(("mfa", _)) => MfaRow::find(tx, &scope, arn.as_str())?.map(|row| row.tags),
                Some(("server-certificate", _)) => {
                    ServerCertificateRow::by_arn(tx, &scope, arn)?.map(|row| row.tags)
                }
                Some(("policy", _)) => PolicyRow::by_arn(tx, &scope, arn)?.map(|policy| policy.tags),
                Some(_) | None => None,
            })
        })?;
        Ok(tags.unwrap_or_default())
    }
}
