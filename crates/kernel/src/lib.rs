//! The request path, and everything a service is written against.
//!
//! ```text
//! listener ─▶ route ─▶ identify ─▶ decode ─▶ ask ─▶ admit ─▶ check ─▶ run ─▶ encode
//!            └────────── audit bracket: opened before route, closed exactly once ──────────┘
//! ```
//!
//! A service implements [`Operation`] once per API operation. It says what must be allowed ([`Operation::access`]) and
//! what happens then ([`Operation::run`]). Only the [`Gate`] makes a [`Permit`], only a permit makes a [`Call`], only a
//! call can run. The kernel contains no service's name: services arrive as [`Assembly`] values from the server's catalog.

mod access;
mod assembly;
mod attest;
pub mod audit;
mod authn;
mod body_stream;
mod caller;
mod ceilings;
mod context;
mod decoys;
mod directory;
mod env;
mod explain;
mod fault;
mod foresight;
mod gate;
mod http;
mod invoke;
mod kernel;
mod key_value;
mod message;
mod named_principal;
mod observer;
mod operation;
mod organization_keys;
mod outbox;
mod pipeline;
mod plane;
pub mod recorder;
mod refusal;
mod resource_account;
mod session;
mod session_root;
mod session_table;
mod session_user;
pub mod shadow;
mod temporary;

pub use access::{Access, Ask, Proof};
pub use assembly::{Assembly, OpenError, Task, TrustEdge};
pub use attest::TokenAlgorithm;
pub use body_stream::{BodySender, BodyStream, BrokenOff};
pub use caller::{Caller, RoleSession};
pub use ceilings::{Bounds, Ceilings, Membership};
pub use decoys::Decoy;
pub use directory::{Directory, IdentityPolicies, LongTermCredential, RoleFacts};
pub use env::{Env, Heavy, Site};
pub use explain::{Explained, Question, Unexplained};
pub use fault::{Denial, Fault, FaultKind};
pub use gate::{Gate, Permit, RequestFacts};
pub use http::{Incoming, Origin, Outgoing, Peer};
pub use invoke::As;
pub use kernel::{Builder, Kernel};
pub use key_value::KeyValue;
pub use named_principal::{NamedPrincipal, enforced_principals, principal_ids, shown_principals};
pub use observer::LastUse;
pub use operation::{
    AnyOperation, AnyService, BoxFuture, Call, KeptGrants, Operation, OperationModel, ResourcePolicy,
    Service, bind,
};
pub use outbox::{Message, Outbox};
pub use plane::{DataPlane, Exchange};
pub use resource_account::ResourceAccount;
pub use session::{SessionCredentials, SessionRequest, Sessions};
pub use session_root::{RootRequest, RootSession};
pub use session_user::{FederatedRequest, UserCredentials};
pub use temporary::{
    AssertionEncryption, Evidence, FederatedSession, Federation, IdentityProvider, MfaAnswer, UserSession,
    WebIdentity,
};

pub use casemate_policy as policy;
