//! The IAM policy language: parse, compile, decide, explain.
//!
//! [`Policy::parse`] turns a document into a compiled policy or says why it must not be stored; [`decide`] weighs all
//! policies that apply to a request and says which statement decided; [`evaluate`] asks a single policy. Everything is
//! synchronous and deterministic; patterns are matched in linear time, so no policy can stall the engine.
//!
//! Refuses to know services, wire formats, where policies are stored, and where a request's facts come from
//! ([`Context`] is asked only for the keys that a candidate statement mentions).

mod action;
mod arn;
pub mod compare;
mod condition;
mod decide;
mod decision;
mod error;
mod explain;
mod facts;
mod form;
mod glob;
mod head_table;
mod index;
mod json;
mod name;
mod operator;
mod outline;
mod parse;
mod policy;
mod principal;
mod public;
mod rewrite;
mod scalar;
mod source;
mod statement;
mod template;
mod truth;

pub use action::names_action;
pub use arn::can_mean;
pub use decide::{Grants, Layers, NamedPolicy, ResourceRule, decide, rule};
pub use decision::{Decision, Decisive, Layer, Reason, Ruling, Source, Verdict};
pub use error::{PolicyError, Problem};
pub use explain::{
    Change, Changes, Edit, Element, Explanation, Holds, LayerSaid, Near, RequestValue, Said, Variable,
    explain,
};
pub use facts::{Context, NoContext, Principal, Request, Value};
pub use form::{EVIDENCE_MIN, Form, PART_BYTES_MIN, generalised, quoted, templates, templates_of_parts};
pub use name::Name;
pub use outline::{Place, StatementSource, context_keys, grants_service, statement_sources};
pub use policy::{Effect3, Policy, StatementInfo, evaluate};
pub use public::{FixedKeys, bounds_addresses, public_statement};
pub use rewrite::{Replace, Stake, rewrite_principals};

/// What a policy is attached to, which decides what its grammar may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Attached to a user, group or role.
    Identity,
    /// Attached to a resource.
    Resource,
    /// Says who may assume a role.
    Trust,
    /// A permissions boundary.
    Boundary,
    /// Given when a session is made.
    Session,
    /// An organisation's ceiling for its accounts' principals.
    ServiceControl,
    /// An organisation's ceiling for its accounts' resources.
    ResourceControl,
    /// Answered by an API's authorizer.
    Authorizer,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Forbids.
    Deny,
}
