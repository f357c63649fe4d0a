//! CloudFormation: stacks made from templates.
//!
//! Nouns: a *template* says what shall be ([`template`], [`intrinsic`], [`sam`]); a *plan* is a template settled for one stack
//! and checked ([`plan`]); a *provisioner* makes one type of resource ([`provision`]); the *engine* carries a plan out and
//! takes it back where it fails ([`engine`]); a *change set* is a plan to look at first ([`change_set`]).
//!
//! Invariants:
//! 1. Nothing is made before the whole template has been checked: unknown types, properties, references and cycles are
//!    refused with logical id and line.
//! 2. Every resource is made by a call that meets the gate as the stack's caller or service role. Being CloudFormation
//!    grants nothing.
//! 3. What cannot be honoured is refused, never ignored.
//!
//! DIVERGES: resources are made one after another, not in parallel; stack tags and system tags are not copied to resources; a
//! stack that is being created cannot be deleted before that has ended; deleted stacks stay listed.

pub mod api;
mod change_set;
mod engine;
mod graph;
mod intrinsic;
mod ops;
pub mod outline;
mod packages;
mod plan;
mod provision;
mod resource;
mod sam;
mod stack;
mod submit;
mod template;
mod view;
mod wanted;

use std::sync::Arc;

use casemate_kernel::{Access, Assembly, Caller, Denial, Env, Fault, Proof, ResourcePolicy, Service, Task};
use casemate_names::{Arn, Scope, Timestamp};
use tokio::sync::mpsc;

use crate::{api::Error, engine::Work, provision::Models, stack::StackRow};

/// The service.
#[derive(Debug)]
pub struct CloudFormation {
    env: Env,
    models: Arc<Models>,
    queue: mpsc::Sender<Work>,
}

/// Opens the service.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let (queue, waiting) = mpsc::channel(engine::QUEUE_MAX);
    let models = Arc::<Models>::default();
    let service = Arc::new(CloudFormation { env: env.clone(), models: Arc::clone(&models), queue });
    let cut_short = engine::interrupted(env)?;
    let work = Box::pin(engine::work_off(env.clone(), models, cut_short, waiting));
    Ok(Assembly {
        operations: ops::operations(&service),
        data_planes: vec![Arc::new(packages::Packages::new(env))],
        tasks: vec![Task { name: "cloudformation.engine", work }],
        ..Assembly::default()
    })
}

impl CloudFormation {
    /// Where a caller's stacks are, before admission.
    fn scope(&self, caller: &Caller) -> Scope {
        caller.account().map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account))
    }

    /// Asks for `action` on the stack with this name or ARN.
    fn on_stack(&self, action: &'static str, name_or_arn: &str, caller: &Caller) -> Access {
        Access::on(action, resource::asked_stack(&self.scope(caller), name_or_arn))
    }

    /// The stack with this ARN, or the one that has this name now.
    fn stack(&self, scope: &Scope, name_or_arn: &str) -> Result<StackRow, Error> {
        let found = self.env.store.read(|tx| stack::find(tx, scope, name_or_arn))?;
        // AWS: this sentence.
        found.ok_or_else(|| Error::Validation(format!("Stack with id {name_or_arn} does not exist")))
    }
}

impl Service for CloudFormation {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["cloudformation"];
    const VALIDATION_CODE: &'static str = "ValidationError";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        let denial = Denial { action: "cloudformation:*", resource: "*".to_owned(), decision: None };
        Err(Error::Internal(Fault::denied(denial, "CloudFormation takes no proofs inside its inputs")))
    }

    /// Stacks have no resource policies.
    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    /// A stack's tags, by its ARN or by the form that names it only.
    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let scope = self.env.scope_of_arn(arn);
        let name = resource::stack_name(arn).filter(|_| arn.as_str().ends_with("/*"));
        let found = self.env.store.read(|tx| stack::find(tx, &scope, name.unwrap_or(arn.as_str())))?;
        Ok(found.map(|stack| stack.tags).unwrap_or_default())
    }
}
