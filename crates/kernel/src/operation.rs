//! Operations: the typed traits a service implements and the object-safe mirror the pipeline runs.

use std::{any::Any, fmt, future::Future, pin::Pin, sync::Arc};

use casemate_names::{Arn, RequestId, Scope, Timestamp};
use casemate_policy::{Grants, NamedPolicy, ResourceRule};
use casemate_schema::{Document, OpMeta, Shape};

use crate::{
    Access, Caller, Denial, Evidence, Fault, Permit, Proof, ResourceAccount, gate::RequestFacts, invoke::As,
};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Generated. Ties a name in the model to its types.
pub trait OperationModel: Send + Sync + 'static {
    /// The operation's static description.
    const META: &'static OpMeta;
    /// Input.
    type Input: Shape;
    /// Output.
    type Output: Shape;
}

/// A service. What the gate must know of its resources has no defaults: leaving one out does not compile.
pub trait Service: fmt::Debug + Send + Sync + 'static {
    /// The service's error type, generated.
    type Error: Into<Fault> + Send;

    /// ARN service prefixes of the resources it owns.
    const PREFIXES: &'static [&'static str];

    /// The code on the wire for inputs that break a constraint, e.g. `ValidationException`.
    const VALIDATION_CODE: &'static str;

    /// Verifies an in-band proof and says who presents it.
    fn verify(&self, proof: &Proof, now: Timestamp) -> Result<Caller, Self::Error>;

    /// The policy attached to a resource, as it bears on `action`; `None` when there is none.
    fn resource_policy(&self, arn: &Arn, action: &str) -> Result<Option<ResourcePolicy>, Self::Error>;

    /// How a policy of that resource combines with identity policies for `action`; `resource` is `None` where the action is
    /// asked for on all of them. What [`Service::resource_policy`] answers goes by it; it is also asked of policies that
    /// are not attached to anything.
    fn resource_rule(&self, resource: Option<&Arn>, action: &str) -> ResourceRule {
        let _ = (resource, action);
        ResourceRule::Ordinary
    }

    /// Single permissions on a resource that may bear on `action`. Few services have such; they are weighed beside the
    /// resource's policy and cannot get past a deny.
    fn grants(&self, arn: &Arn, action: &str) -> Result<Option<KeptGrants>, Self::Error> {
        let _ = (arn, action);
        Ok(None)
    }

    /// The tags of a resource (`aws:ResourceTag/*`); empty when it has none or does not exist.
    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Self::Error>;

    /// Whose the resource is that `arn` names. Asked only where the ARN itself names no account, so a service all of whose
    /// ARNs do needs not answer; one that has others must, or every ask on them is refused.
    fn resource_account(&self, arn: &Arn) -> Result<ResourceAccount, Self::Error> {
        let _ = arn;
        Ok(ResourceAccount::Unknown)
    }

    /// May credentials of the caller's kind be used for this operation at all? Asked before any policy, of every call; it
    /// can only narrow. For restrictions that lie in how credentials were made, such as temporary credentials that some
    /// services take only with proof of multi-factor authentication.
    fn accepts(&self, operation: &'static str, caller: &Caller) -> Result<(), Self::Error> {
        let _ = (operation, caller);
        Ok(())
    }
}

/// Single permissions on one resource, as its service keeps them.
pub type KeptGrants = Box<dyn Grants + Send + Sync>;

/// A resource's policy and how it combines with identity policies.
#[derive(Debug, Clone)]
pub struct ResourcePolicy {
    /// The policy.
    pub policy: NamedPolicy,
    /// The combination rule of this kind of resource.
    pub rule: ResourceRule,
    /// The unique id of the very resource whose policy this is, where its ARN can be given to another one later and that
    /// must not pass for it: a role's. Read together with the policy, or it says nothing.
    pub unique_id: Option<String>,
}

impl ResourcePolicy {
    /// The policy of a resource that its ARN tells well enough.
    pub fn new(policy: NamedPolicy, rule: ResourceRule) -> Self {
        Self { policy, rule, unique_id: None }
    }
}

/// Written by hand, one per file in `ops/`.
pub trait Operation<O: OperationModel>: Service {
    /// What must be allowed before this call may run. An operation that does not say cannot be compiled.
    ///
    /// The input may break constraints (they are checked after admission, so that a caller without rights learns nothing):
    /// missing members hold their defaults here.
    fn access(&self, input: &O::Input, caller: &Caller) -> Result<Access, Self::Error>;

    /// What the input brings besides its signature that bears on the decision: read before the operation asks, so that the
    /// gate decides with it. Most operations have none. The input may break constraints here too.
    fn evidence<'a>(
        &'a self,
        input: &'a O::Input,
        caller: &'a Caller,
        now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Self::Error>>> {
        let _ = (input, caller, now);
        None
    }

    /// Runs an admitted call. [`Call`] has no public constructor.
    fn run(&self, call: Call<O>) -> impl Future<Output = Result<O::Output, Self::Error>> + Send;
}

/// One admitted call: typed input plus the facts fixed at admission.
pub struct Call<O: OperationModel> {
    /// The typed input; its constraints hold.
    pub input: O::Input,
    permit: Permit,
}

impl<O: OperationModel> Call<O> {
    /// Takes the input out, leaving its default-free remains unusable: for closures that must own it.
    pub fn into_parts(self) -> (O::Input, Permit) {
        (self.input, self.permit)
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        self.permit.caller()
    }

    /// The request's only reading of the clock.
    pub fn now(&self) -> Timestamp {
        self.permit.now()
    }

    /// The request's id.
    pub fn request_id(&self) -> &RequestId {
        self.permit.request_id()
    }

    /// The caller's account in this site's region: where the operation acts unless an ARN says otherwise.
    pub fn scope(&self) -> &Scope {
        self.permit.scope()
    }

    /// Network facts of the request (source address, user agent, transport).
    pub fn facts(&self) -> &RequestFacts {
        self.permit.facts()
    }

    /// Calls another service: no wire, but the same gate and the same audit.
    pub async fn invoke(
        &self,
        service: &'static str,
        operation: &'static str,
        speaker: As,
        input: Document,
    ) -> Result<Document, Fault> {
        self.permit.invoke(service, operation, speaker, input).await
    }

    /// The permit: for helpers that need the call's facts without its type.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
}

impl<O: OperationModel> fmt::Debug for Call<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("operation", &O::META.name)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}

/// Object-safe mirror of [`Operation`]; made by [`bind`].
pub trait AnyOperation: Send + Sync {
    /// The static description.
    fn meta(&self) -> &'static OpMeta;
    /// The service that runs it.
    fn service(&self) -> Arc<dyn AnyService>;
    /// Reads the typed input.
    fn read(&self, document: Document) -> Box<dyn Any + Send + Sync>;
    /// See [`Operation::access`].
    fn access(&self, input: &(dyn Any + Send + Sync), caller: &Caller) -> Result<Access, Fault>;
    /// See [`Operation::evidence`].
    fn evidence<'a>(
        &'a self,
        input: &'a (dyn Any + Send + Sync),
        caller: &'a Caller,
        now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Fault>>>;
    /// See [`Operation::run`].
    fn run(
        &self,
        permit: Permit,
        input: Box<dyn Any + Send + Sync>,
    ) -> BoxFuture<'_, Result<Document, Fault>>;
}

/// Object-safe mirror of [`Service`].
pub trait AnyService: fmt::Debug + Send + Sync {
    /// See [`Service::PREFIXES`].
    fn prefixes(&self) -> &'static [&'static str];
    /// See [`Service::VALIDATION_CODE`].
    fn validation_code(&self) -> &'static str;
    /// See [`Service::verify`].
    fn verify(&self, proof: &Proof, now: Timestamp) -> Result<Caller, Fault>;
    /// See [`Service::resource_policy`].
    fn resource_policy(&self, arn: &Arn, action: &str) -> Result<Option<ResourcePolicy>, Fault>;
    /// See [`Service::resource_rule`].
    fn resource_rule(&self, resource: Option<&Arn>, action: &str) -> ResourceRule;
    /// See [`Service::grants`].
    fn grants(&self, arn: &Arn, action: &str) -> Result<Option<KeptGrants>, Fault>;
    /// See [`Service::tags`].
    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Fault>;
    /// See [`Service::resource_account`].
    fn resource_account(&self, arn: &Arn) -> Result<ResourceAccount, Fault>;
    /// See [`Service::accepts`].
    fn accepts(&self, operation: &'static str, caller: &Caller) -> Result<(), Fault>;
}

impl<S: Service> AnyService for S {
    fn prefixes(&self) -> &'static [&'static str] {
        S::PREFIXES
    }

    fn validation_code(&self) -> &'static str {
        S::VALIDATION_CODE
    }

    fn verify(&self, proof: &Proof, now: Timestamp) -> Result<Caller, Fault> {
        Service::verify(self, proof, now).map_err(Into::into)
    }

    fn resource_policy(&self, arn: &Arn, action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        Service::resource_policy(self, arn, action).map_err(Into::into)
    }

    fn resource_rule(&self, resource: Option<&Arn>, action: &str) -> ResourceRule {
        Service::resource_rule(self, resource, action)
    }

    fn grants(&self, arn: &Arn, action: &str) -> Result<Option<KeptGrants>, Fault> {
        Service::grants(self, arn, action).map_err(Into::into)
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Service::tags(self, arn).map_err(Into::into)
    }

    fn resource_account(&self, arn: &Arn) -> Result<ResourceAccount, Fault> {
        Service::resource_account(self, arn).map_err(Into::into)
    }

    fn accepts(&self, operation: &'static str, caller: &Caller) -> Result<(), Fault> {
        Service::accepts(self, operation, caller).map_err(Into::into)
    }
}

/// Makes the object-safe form of operation `O` of a service.
pub fn bind<O, S>(service: &Arc<S>) -> Box<dyn AnyOperation>
where
    O: OperationModel,
    O::Input: Sync,
    S: Operation<O>,
{
    Box::new(Bound::<O, S> { service: Arc::clone(service), operation: std::marker::PhantomData })
}

struct Bound<O, S> {
    service: Arc<S>,
    operation: std::marker::PhantomData<fn() -> O>,
}

impl<O, S> AnyOperation for Bound<O, S>
where
    O: OperationModel,
    S: Operation<O>,
{
    fn meta(&self) -> &'static OpMeta {
        O::META
    }

    fn service(&self) -> Arc<dyn AnyService> {
        Arc::clone(&self.service) as Arc<dyn AnyService>
    }

    fn read(&self, document: Document) -> Box<dyn Any + Send + Sync> {
        Box::new(O::Input::from_document(document))
    }

    fn access(&self, input: &(dyn Any + Send + Sync), caller: &Caller) -> Result<Access, Fault> {
        let input = input.downcast_ref::<O::Input>().ok_or_else(mismatch)?;
        self.service.access(input, caller).map_err(Into::into)
    }

    fn evidence<'a>(
        &'a self,
        input: &'a (dyn Any + Send + Sync),
        caller: &'a Caller,
        now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Fault>>> {
        let Some(input) = input.downcast_ref::<O::Input>() else {
            return Some(Box::pin(std::future::ready(Err(mismatch()))));
        };
        let found = self.service.evidence(input, caller, now)?;
        Some(Box::pin(async move { found.await.map_err(Into::into) }))
    }

    fn run(
        &self,
        permit: Permit,
        input: Box<dyn Any + Send + Sync>,
    ) -> BoxFuture<'_, Result<Document, Fault>> {
        Box::pin(async move {
            if !std::ptr::eq(permit.operation(), O::META) {
                let denial = Denial { action: O::META.name, resource: "*".to_owned(), decision: None };
                return Err(Fault::denied(denial, "the permit was given for another operation"));
            }
            let input = *input.downcast::<O::Input>().map_err(|_| mismatch())?;
            let output = self.service.run(Call { input, permit }).await.map_err(Into::into)?;
            Ok(output.into_document())
        })
    }
}

fn mismatch() -> Fault {
    Fault::broken("an operation was handed another operation's input")
}
