//! The gate: the only maker of permits.
//!
//! Every call of every service, from a socket or from another service, comes here with an [`Access`] and a [`Caller`] and
//! leaves with a [`Permit`] or a refusal. There is no configuration without it.

use std::{collections::BTreeSet, fmt, sync::Arc};

use casemate_names::{RequestId, Scope, Timestamp};
use casemate_policy::{
    Decision, Decisive, Effect3, Grants, Kind, Layer, Layers, NamedPolicy, Policy, Reason, Request,
    ResourceRule, Value, Verdict, decide, evaluate,
};
use casemate_schema::{Document, OpMeta};
use casemate_sigv4::AuthError;

use crate::{
    Access, AnyOperation, AnyService, As, Ask, BodyStream, Caller, Denial, Fault, IdentityPolicies, Kernel,
    Peer, ResourceAccount,
    audit::Bracket,
    body_stream::Streamed,
    ceilings::{CLOSED, Organizations},
    context::GateContext,
    explain::{own_keys, refused},
    invoke::InnerCall,
    message::Refused,
    refusal::{refuse_unless_allowed, resource_text},
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
    /// `X-Amzn-Trace-Id`, as sent. It names a trace and proves nothing.
    pub trace: Option<String>,
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
    admitted: Vec<Admitted>,
    mfa: bool,
    principal: &'static str,
    kernel: Arc<Kernel>,
    streamed: Streamed,
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
        self.admitted.iter().any(|admitted| admitted.action == action && admitted.resource == resource)
    }

    /// Was it allowed on the very resource of that unique id, and nothing in this call on a namesake of it?
    pub fn admits_very(&self, action: &str, resource: &str, unique_id: &str) -> bool {
        let mut of_resource = self.admitted.iter().filter(|admitted| admitted.resource == resource);
        let other = |admitted: &Admitted| admitted.unique_id.as_ref().is_some_and(|id| id != unique_id);
        let very = |admitted: &Admitted| admitted.action == action && admitted.unique_id.is_some();
        !of_resource.clone().any(other) && of_resource.any(very)
    }

    /// Did this very call present a right code of one of its caller's MFA devices?
    pub fn mfa(&self) -> bool {
        self.mfa
    }

    /// See [`crate::Call::invoke`].
    pub async fn invoke(
        &self,
        service: &'static str,
        operation: &'static str,
        speaker: As,
        input: Document,
    ) -> Result<Document, Fault> {
        let call = InnerCall {
            from: self.operation.service.prefix,
            principal: self.principal,
            outer: Some(self),
            request_id: None,
            trace: None,
            service,
            operation,
            speaker,
            input,
        };
        self.kernel.invoke_from(call).await
    }

    /// Lets a body follow the output, in place of the codec's. Of a call from another service it is not taken.
    pub fn stream(&self, body: BodyStream) {
        self.streamed.put(body);
    }

    pub(crate) fn streamed(&self) -> Streamed {
        self.streamed.clone()
    }

    pub(crate) fn operation(&self) -> &'static OpMeta {
        self.operation
    }

    pub(crate) fn shared_caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }
}

/// One ask that was allowed.
struct Admitted {
    action: &'static str,
    resource: String,
    /// Of the resource whose policy was weighed, where that has one: see [`crate::ResourcePolicy::unique_id`].
    unique_id: Option<String>,
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
    /// A right code of one of the caller's MFA devices came with the call.
    pub(crate) mfa: bool,
}

/// Where the policy of an ask's resource comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The resource's owner is asked.
    Owner,
    /// Whoever asks the gate brought it, or knows that there is none.
    Given(Option<&'a crate::ResourcePolicy>),
}

/// What one decision depends on, besides the policies of the caller.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) ask: &'a Ask,
    /// The ask's action; another only in questions about what would be.
    pub(crate) action: &'a str,
    pub(crate) facts: &'a RequestFacts,
    pub(crate) now: Timestamp,
    pub(crate) source: Source<'a>,
    /// Stands in for the caller's identity policies, for onlookers: nothing follows from such a decision.
    pub(crate) candidate: Option<&'a [NamedPolicy]>,
}

impl<'a> Case<'a> {
    pub(crate) fn of(caller: &'a Caller, ask: &'a Ask, facts: &'a RequestFacts, now: Timestamp) -> Self {
        Self { caller, ask, action: ask.action, facts, now, source: Source::Owner, candidate: None }
    }
}

/// Names and values.
type Pairs = Vec<(String, String)>;

/// Decides, and makes permits.
#[derive(Debug)]
pub struct Gate {
    /// Stands for the account root's own rights: everything, still subject to resource denies.
    root: Arc<IdentityPolicies>,
    none: Arc<IdentityPolicies>,
    /// Refuses everything: the ceiling over a resource of which it cannot be told whose it is.
    unowned: Vec<Vec<NamedPolicy>>,
}

impl Gate {
    pub(crate) fn new() -> Result<Self, Fault> {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let policy = Policy::parse(text, Kind::Identity).map_err(Fault::internal)?;
        let named = NamedPolicy { name: "root of the account".into(), policy: Arc::new(policy) };
        let root = IdentityPolicies { identity: vec![named], ..IdentityPolicies::default() };
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;
        let policy = Policy::parse(text, Kind::ResourceControl).map_err(Fault::internal)?;
        let name = "it is not known whose resource this is".into();
        let unowned = vec![vec![NamedPolicy { name, policy: Arc::new(policy) }]];
        Ok(Self { root: Arc::new(root), none: Arc::default(), unowned })
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
        let Admission { caller, now, request_id, facts, mfa } = admission;
        bracket.asked(&access);
        operation.service().accepts(operation.meta().name, &caller)?;
        let mut admitted = Vec::new();
        let caller = match access {
            Access::Iam(asks) if asks.is_empty() => {
                let denial =
                    Denial { action: operation.meta().name, resource: "*".to_owned(), decision: None };
                return Err(Fault::denied(denial, "the operation asks for nothing, which nobody is allowed"));
            }
            Access::Iam(asks) => {
                for ask in &asks {
                    let case = Case::of(&caller, ask, &facts, now);
                    let ((decision, seen), unique_id) = self.identified(kernel, &case, judged)?;
                    bracket.decided(&decision);
                    let mut message = None;
                    if let Some(seen) = seen {
                        message = kernel.encoded_message(&case, &decision, &seen);
                        bracket.refused(ask, seen.record);
                    }
                    kernel.observe(&case, &decision);
                    refuse_unless_allowed(kernel, &caller, ask, decision)
                        .map_err(|fault| fault.with_encoded_message(message))?;
                    let resource = resource_text(ask).to_owned();
                    admitted.push(Admitted { action: ask.action, resource, unique_id });
                }
                kernel.observe_use(&caller, &asks, &facts, now);
                caller
            }
            Access::Identified(_) => match caller {
                Caller::Anonymous | Caller::Bearer { .. } | Caller::WebIdentity(_) => {
                    return Err(AuthError::MissingAuthenticationToken.into());
                }
                known => known,
            },
            Access::InBand(proof) => {
                let bearer = operation.service().verify(&proof, now)?;
                bracket.identified(&bearer, None);
                bearer
            }
            Access::Public(_, account) => {
                if kernel.is_closed(account.as_ref())? {
                    let denial =
                        Denial { action: operation.meta().name, resource: "*".to_owned(), decision: None };
                    return Err(Fault::denied(denial, CLOSED));
                }
                caller
            }
        };
        // An account that was closed is closed also where no policy is asked.
        if kernel.is_closed(caller.account().as_ref())? {
            return Err(AuthError::UnknownKey.into());
        }
        let meta = operation.meta();
        Ok(Permit {
            operation: meta,
            scope: kernel.scope_of(caller.account()),
            caller: Arc::new(caller),
            now,
            request_id: request_id.clone(),
            facts,
            admitted,
            mfa,
            principal: kernel.principal_of(meta.service.prefix),
            kernel: Arc::clone(kernel),
            streamed: Streamed::default(),
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
        self.gathered(kernel, &Case::of(caller, ask, facts, now), decide)
    }

    /// The caller's tags as variables, and those of the named global keys that have one value.
    pub(crate) fn facts_of(
        &self,
        kernel: &Kernel,
        case: &Case<'_>,
        keys: &[&[&str]],
    ) -> Result<(Pairs, Pairs), Fault> {
        let policies = self.policies_of(kernel, case.caller)?;
        let tags: BTreeSet<&str> =
            case.caller.session_tags().iter().chain(&policies.tags).map(|(key, _)| key.as_str()).collect();
        self.gathered(kernel, &Case { source: Source::Given(None), ..*case }, |_, request| {
            let value = |name: &str| match request.context.value(&name.to_ascii_lowercase()) {
                Value::One(value) => Some((name.to_owned(), value.into_owned())),
                Value::Absent | Value::Unknown | Value::Many(_) => None,
            };
            let tags = tags.iter().filter_map(|key| value(&format!("aws:PrincipalTag/{key}"))).collect();
            (tags, keys.iter().copied().flatten().copied().filter_map(value).collect())
        })
    }

    /// What one policy alone says of one ask.
    pub(crate) fn weigh(
        &self,
        kernel: &Kernel,
        case: &Case<'_>,
        named: &NamedPolicy,
    ) -> Result<Decision, Fault> {
        self.gathered(kernel, &Case { source: Source::Given(None), ..*case }, |_, request| {
            let (verdict, statement) = match evaluate(&named.policy, request) {
                Effect3::Allow(statement) => (Verdict::Allow, Some(statement)),
                Effect3::Deny(statement) => (Verdict::ExplicitDeny, Some(statement)),
                Effect3::None => (Verdict::ImplicitDeny, None),
            };
            let decisive = statement.map(|statement| Decisive {
                policy: named.name.clone(),
                sid: statement.sid.map(Into::into),
                statement: statement.index,
            });
            Decision { verdict, because: Reason { layer: Layer::Identity, decisive } }
        })
    }

    /// Hands everything that applies to one ask to `weigh`.
    pub(crate) fn gathered<T>(
        &self,
        kernel: &Kernel,
        case: &Case<'_>,
        weigh: impl FnOnce(&Layers<'_>, &Request<'_>) -> T,
    ) -> Result<T, Fault> {
        self.identified(kernel, case, weigh).map(|(weighed, _)| weighed)
    }

    /// The same; says also of which very resource the policy was, see [`crate::ResourcePolicy::unique_id`].
    pub(crate) fn identified<T>(
        &self,
        kernel: &Kernel,
        case: &Case<'_>,
        weigh: impl FnOnce(&Layers<'_>, &Request<'_>) -> T,
    ) -> Result<(T, Option<String>), Fault> {
        if let Source::Given(policy) = case.source {
            let weighed = self.assembled(kernel, case, None, policy, weigh)?;
            return Ok((weighed, policy.and_then(|policy| policy.unique_id.clone())));
        }
        let resource = case.ask.resource.as_ref();
        let owner = resource.and_then(|arn| kernel.owner_of(arn.service()));
        let policy = match (&owner, resource) {
            (Some(owner), Some(arn)) => owner.resource_policy(arn, case.action)?,
            _ => None,
        };
        let weighed = self.assembled(kernel, case, owner.as_deref(), policy.as_ref(), weigh)?;
        Ok((weighed, policy.and_then(|policy| policy.unique_id)))
    }

    /// The one place that puts together what a decision depends on. `owner` is asked for the resource's tags.
    fn assembled<T>(
        &self,
        kernel: &Kernel,
        case: &Case<'_>,
        owner: Option<&dyn AnyService>,
        resource_policy: Option<&crate::ResourcePolicy>,
        weigh: impl FnOnce(&Layers<'_>, &Request<'_>) -> T,
    ) -> Result<T, Fault> {
        let Case { caller, ask, action, facts, now, .. } = *case;
        let policies = self.policies_of(kernel, caller)?;
        let resource_account = ResourceAccount::of(kernel, caller, ask)?;
        let organizations = Organizations::of(kernel, caller, action, resource_account.known())?;
        let grants = match (owner, &ask.resource) {
            (Some(owner), Some(arn)) => owner.grants(arn, action)?,
            _ => None,
        };
        let context = GateContext {
            caller,
            caller_tags: &policies.tags,
            facts,
            ask,
            now,
            region: kernel.site().scope.region.as_str(),
            resource_account: &resource_account,
            owner,
            organizations: &organizations,
        };
        let layers = Layers {
            identity: case.candidate.unwrap_or(&policies.identity),
            resource: resource_policy.map(|r| &r.policy),
            boundary: policies.boundary.as_ref().map(std::slice::from_ref),
            session: caller.session_policies(),
            service_control: organizations.service_control(caller),
            // An owner that is not known may have ceilings that are not known.
            resource_control: match resource_account {
                ResourceAccount::Unknown => &self.unowned,
                ResourceAccount::Of(_) | ResourceAccount::Callers => organizations.resource_control(),
            },
            vpc_endpoint: None,
            grants: grants.as_deref().map(|grants| grants as &dyn Grants),
            resource_rule: resource_policy.map_or(ResourceRule::Ordinary, |r| r.rule),
        };
        let principal = caller.principal();
        let request = Request {
            principal: &principal,
            action,
            resource: resource_text(ask),
            resource_account: resource_account.text(),
            context: &context,
        };
        Ok(weigh(&layers, &request))
    }

    pub(crate) fn policies_of(
        &self,
        kernel: &Kernel,
        caller: &Caller,
    ) -> Result<Arc<IdentityPolicies>, Fault> {
        match caller.owner() {
            Caller::Anonymous | Caller::Service { .. } | Caller::Bearer { .. } | Caller::WebIdentity(_) => {
                Ok(Arc::clone(&self.none))
            }
            Caller::Root { .. } => Ok(Arc::clone(&self.root)),
            owner @ (Caller::User { .. } | Caller::Role(_)) => {
                kernel.directory().policies(owner)?.ok_or_else(|| AuthError::UnknownKey.into())
            }
            Caller::UserSession(_) | Caller::RootSession(_) | Caller::Federated(_) => {
                Err(Fault::broken("the owner of temporary credentials has temporary credentials"))
            }
        }
    }
}

/// The decision, and of a refusal what it depended on.
pub(crate) fn judged(layers: &Layers<'_>, request: &Request<'_>) -> (Decision, Option<Refused>) {
    let decision = decide(layers, request);
    let seen = (!decision.is_allowed())
        .then(|| Refused { record: refused(layers, request, &decision), own_keys: own_keys(layers) });
    (decision, seen)
}
