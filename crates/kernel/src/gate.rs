//! The gate: the only maker of permits.
//!
//! Every call of every service, from a socket or from another service, comes here with an [`Access`] and a [`Caller`] and
//! leaves with a [`Permit`] or a refusal. There is no configuration without it.

use std::{fmt, sync::Arc};

use casemate_names::{AccountId, RequestId, Scope, Timestamp};
use casemate_policy::{
    Decision, Decisive, Effect3, Kind, Layer, Layers, NamedPolicy, Policy, Reason, Request, ResourceRule,
    Verdict, decide, evaluate,
};
use casemate_schema::{Document, OpMeta};
use casemate_sigv4::AuthError;

use crate::{
    Access, AnyOperation, AnyService, As, Ask, Caller, Denial, Fault, IdentityPolicies, Kernel, Peer,
    audit::Bracket, context::GateContext,
};

/// Network facts of a request, as condition keys see them.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// The socket.
    pub peer: Peer,
    /// `User-Agent`, as sent.
    pub user_agent: Option<String>,
    /// `Referer`, as sent.
    pub referer: Option<String>,
    /// The chain of services that call on someone's behalf, first caller first: `aws:CalledVia`.
    pub called_via: Vec<&'static str>,
}

/// Proof that a call was admitted. Made by [`Gate`] only; consumed by running the operation it was made for.
pub struct Permit {
    operation: &'static OpMeta,
    caller: Arc<Caller>,
    now: Timestamp,
    request_id: RequestId,
    scope: Scope,
    facts: Arc<RequestFacts>,
    admitted: Vec<(&'static str, String)>,
    principal: &'static str,
    kernel: Arc<Kernel>,
}

impl Permit {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The request's only reading of the clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The request's id.
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The caller's account in this site's region.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Network facts.
    pub fn facts(&self) -> &RequestFacts {
        &self.facts
    }

    /// Was `action` on `resource` among what the gate allowed for this call?
    pub fn admits(&self, action: &str, resource: &str) -> bool {
        self.admitted.iter().any(|(a, r)| *a == action && r == resource)
    }

    /// See [`crate::Call::invoke`].
    pub async fn invoke(
        &self,
        service: &'static str,
        operation: &'static str,
        speaker: As,
        input: Document,
    ) -> Result<Document, Fault> {
        let from = self.operation.service.prefix;
        self.kernel
            .invoke_from(from, self.principal, Some(self), None, service, operation, speaker, input)
            .await
    }

    pub(crate) fn operation(&self) -> &'static OpMeta {
        self.operation
    }

    pub(crate) fn shared_caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("operation", &self.operation.name)
            .field("caller", &self.caller.arn_text())
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// What the gate is told about a request besides its access declaration.
pub(crate) struct Admission<'a> {
    pub(crate) caller: Caller,
    pub(crate) now: Timestamp,
    pub(crate) request_id: &'a RequestId,
    pub(crate) facts: Arc<RequestFacts>,
}

/// Decides, and makes permits.
#[derive(Debug)]
pub struct Gate {
    /// Stands for the account root's own rights: everything, still subject to resource denies.
    root: Arc<IdentityPolicies>,
    none: Arc<IdentityPolicies>,
}

impl Gate {
    pub(crate) fn new() -> Result<Self, Fault> {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let policy = Policy::parse(text, Kind::Identity).map_err(Fault::internal)?;
        let named = NamedPolicy { name: "root of the account".to_owned(), policy: Arc::new(policy) };
        let root = IdentityPolicies { identity: vec![named], ..IdentityPolicies::default() };
        Ok(Self { root: Arc::new(root), none: Arc::default() })
    }

    /// Admits a call or refuses it. The record of `bracket` says why.
    pub(crate) fn admit(
        &self,
        kernel: &Arc<Kernel>,
        operation: &dyn AnyOperation,
        access: Access,
        admission: Admission<'_>,
        bracket: &mut Bracket,
    ) -> Result<Permit, Fault> {
        let Admission { caller, now, request_id, facts } = admission;
        bracket.asked(&access);
        let mut admitted = Vec::new();
        let caller = match access {
            Access::Iam(asks) if asks.is_empty() => {
                let denial =
                    Denial { action: operation.meta().name, resource: "*".to_owned(), decision: None };
                return Err(Fault::denied(denial, "the operation asks for nothing, which nobody is allowed"));
            }
            Access::Iam(asks) => {
                for ask in &asks {
                    let decision = self.decide(kernel, &caller, ask, &facts, now)?;
                    bracket.decided(&decision);
                    refuse_unless_allowed(&caller, ask, decision)?;
                    admitted.push((ask.action, resource_text(ask).to_owned()));
                }
                caller
            }
            Access::Identified(_) => match caller {
                Caller::Anonymous | Caller::Bearer { .. } => {
                    return Err(AuthError::MissingAuthenticationToken.into());
                }
                known => known,
            },
            Access::InBand(proof) => {
                let bearer = operation.service().verify(&proof, now)?;
                bracket.identified(&bearer, None);
                bearer
            }
            Access::Public(_) => caller,
        };
        let meta = operation.meta();
        Ok(Permit {
            operation: meta,
            scope: kernel.scope_of(caller.account()),
            caller: Arc::new(caller),
            now,
            request_id: request_id.clone(),
            facts,
            admitted,
            principal: kernel.principal_of(meta.service.prefix),
            kernel: Arc::clone(kernel),
        })
    }

    /// Evaluates one ask through every layer.
    pub(crate) fn decide(
        &self,
        kernel: &Kernel,
        caller: &Caller,
        ask: &Ask,
        facts: &RequestFacts,
        now: Timestamp,
    ) -> Result<Decision, Fault> {
        let owner = ask.resource.as_ref().and_then(|arn| kernel.owner_of(arn.service()));
        let resource_policy = match (&owner, &ask.resource) {
            (Some(owner), Some(arn)) => owner.resource_policy(arn, ask.action)?,
            _ => None,
        };
        self.decide_with(kernel, caller, ask, facts, now, owner.as_deref(), resource_policy.as_ref())
    }

    /// As [`Gate::decide`], with the resource's policy given (data planes hold compiled snapshots of theirs).
    #[expect(clippy::too_many_arguments, reason = "one place gathers what a decision depends on")]
    pub(crate) fn decide_with(
        &self,
        kernel: &Kernel,
        caller: &Caller,
        ask: &Ask,
        facts: &RequestFacts,
        now: Timestamp,
        owner: Option<&dyn AnyService>,
        resource_policy: Option<&crate::ResourcePolicy>,
    ) -> Result<Decision, Fault> {
        let policies = self.policies_of(kernel, caller)?;
        let resource_account: Option<AccountId> =
            ask.resource.as_ref().and_then(casemate_names::Arn::account_id).or_else(|| caller.account());
        let context = GateContext {
            caller,
            caller_tags: &policies.tags,
            facts,
            ask,
            now,
            region: kernel.site().scope.region.as_str(),
            resource_account: resource_account.as_ref().map(AccountId::as_str),
            owner,
        };
        let session = if let Caller::Role(session) = caller { session.policies.as_deref() } else { None };
        let layers = Layers {
            identity: &policies.identity,
            resource: resource_policy.map(|r| &r.policy),
            boundary: policies.boundary.as_ref().map(std::slice::from_ref),
            session,
            service_control: &[],
            resource_control: &[],
            vpc_endpoint: None,
            grants: None,
            resource_rule: resource_policy.map_or(ResourceRule::Ordinary, |r| r.rule),
        };
        let principal = caller.principal();
        let request = Request {
            principal: &principal,
            action: ask.action,
            resource: resource_text(ask),
            resource_account: resource_account.as_ref().map(AccountId::as_str),
            context: &context,
        };
        Ok(decide(&layers, &request))
    }

    /// What one policy alone says of one ask.
    #[expect(clippy::too_many_arguments, reason = "one place gathers what a decision depends on")]
    pub(crate) fn weigh(
        &self,
        kernel: &Kernel,
        caller: &Caller,
        ask: &Ask,
        facts: &RequestFacts,
        now: Timestamp,
        named: &NamedPolicy,
    ) -> Result<Decision, Fault> {
        let policies = self.policies_of(kernel, caller)?;
        let resource_account = ask.resource.as_ref().and_then(casemate_names::Arn::account_id);
        let context = GateContext {
            caller,
            caller_tags: &policies.tags,
            facts,
            ask,
            now,
            region: kernel.site().scope.region.as_str(),
            resource_account: resource_account.as_ref().map(AccountId::as_str),
            owner: None,
        };
        let principal = caller.principal();
        let request = Request {
            principal: &principal,
            action: ask.action,
            resource: resource_text(ask),
            resource_account: resource_account.as_ref().map(AccountId::as_str),
            context: &context,
        };
        let (verdict, statement) = match evaluate(&named.policy, &request) {
            Effect3::Allow(statement) => (Verdict::Allow, Some(statement)),
            Effect3::Deny(statement) => (Verdict::ExplicitDeny, Some(statement)),
            Effect3::None => (Verdict::ImplicitDeny, None),
        };
        let decisive = statement.map(|statement| Decisive {
            policy: named.name.clone(),
            sid: statement.sid.map(str::to_owned),
            statement: statement.index,
        });
        Ok(Decision { verdict, because: Reason { layer: Layer::Identity, decisive } })
    }

    fn policies_of(&self, kernel: &Kernel, caller: &Caller) -> Result<Arc<IdentityPolicies>, Fault> {
        match caller {
            Caller::Anonymous | Caller::Service { .. } | Caller::Bearer { .. } => Ok(Arc::clone(&self.none)),
            Caller::Root { .. } => Ok(Arc::clone(&self.root)),
            Caller::User { .. } | Caller::Role(_) => {
                kernel.directory().policies(caller)?.ok_or_else(|| AuthError::UnknownKey.into())
            }
        }
    }
}

/// Turns anything but an Allow into the refusal the client sees.
pub(crate) fn refuse_unless_allowed(caller: &Caller, ask: &Ask, decision: Decision) -> Result<(), Fault> {
    if decision.verdict == Verdict::Allow {
        return Ok(());
    }
    if matches!(caller, Caller::Anonymous) && decision.verdict == Verdict::ImplicitDeny {
        return Err(AuthError::MissingAuthenticationToken.into());
    }
    let resource = resource_text(ask).to_owned();
    let text = decision.denial_text(&caller.arn_text(), ask.action, &resource);
    Err(Fault::denied(Denial { action: ask.action, resource, decision: Some(decision) }, text))
}

fn resource_text(ask: &Ask) -> &str {
    ask.resource.as_ref().map_or("*", |arn| arn.as_str())
}
