//! Calls from one service to another: no wire, the same gate, the same audit.

use std::sync::Arc;

use casemate_names::{Arn, RequestId};
use casemate_schema::{Document, check, validation_message};

use crate::{
    Caller, Denial, Fault, Kernel, Peer, Permit, RequestFacts,
    audit::{Bracket, Kind},
    gate::Admission,
};

/// Whom an inner call speaks for.
#[derive(Debug, Clone)]
pub enum As {
    /// The caller of the outer call (a forward access session: `aws:CalledVia` is extended).
    Caller,
    /// The service itself, for one of its resources. Only resource policies can allow it.
    Service {
        /// The resource: `aws:SourceArn`.
        source: Arn,
    },
    /// A role that trusts this service. The kernel checks the trust policy, then the role's policies decide.
    Role {
        /// The role.
        role: Arn,
        /// Name of the session.
        session_name: String,
        /// The resource it is for: `aws:SourceArn` while the role is assumed.
        source: Arn,
    },
}

/// A call from one service to another that nobody has judged yet.
pub(crate) struct InnerCall<'a> {
    /// The service that calls …
    pub(crate) from: &'static str,
    /// … and what policies call it.
    pub(crate) principal: &'static str,
    /// The admitted call in whose course it is made. `None`: the service calls of its own accord.
    pub(crate) outer: Option<&'a Permit>,
    /// The request it belongs to. `None`: a new one.
    pub(crate) request_id: Option<RequestId>,
    /// The trace it belongs to. `None`: that of the outer call, if any.
    pub(crate) trace: Option<String>,
    /// The service that is called.
    pub(crate) service: &'static str,
    /// Which operation of it.
    pub(crate) operation: &'static str,
    /// For whom.
    pub(crate) speaker: As,
    /// With what.
    pub(crate) input: Document,
}

impl Kernel {
    /// Runs an inner call.
    pub(crate) async fn invoke_from(self: &Arc<Self>, call: InnerCall<'_>) -> Result<Document, Fault> {
        let InnerCall { from, principal, outer, request_id, trace, service, operation, speaker, input } =
            call;
        let now = outer.map_or_else(|| self.clock().now(), Permit::now);
        let request_id = request_id.unwrap_or_else(|| self.new_request_id());
        let mut bracket = Bracket::open(self.audit(), Kind::Call, &request_id, now, &Peer::Internal);
        bracket.routed(service, operation);
        if let Some(outer) = outer {
            bracket.parent(outer.request_id());
        }
        let mut facts = RequestFacts {
            peer: outer.map_or(Peer::Internal, |o| o.facts().peer.clone()),
            user_agent: Some(principal.to_owned()),
            referer: None,
            trace: trace.or_else(|| outer.and_then(|o| o.facts().trace.clone())),
            called_via: outer.map_or_else(Vec::new, |o| o.facts().called_via.clone()),
        };
        let work = async {
            self.trusted(from, service, operation)?;
            let caller = self.speaker(principal, outer, speaker, &mut facts, now)?;
            bracket.identified(&caller, None);
            let op = self.operation(service, operation)?;
            let meta = op.meta();
            op.service().accepts(meta.name, &caller)?;
            let violations = check(meta.input, &input);
            let typed = op.read(input);
            let access = op.access(&*typed, &caller)?;
            let admission =
                Admission { caller, now, request_id: &request_id, facts: Arc::new(facts), mfa: false };
            let permit = self.gate().admit(self, &*op, access, admission, &mut bracket)?;
            if !violations.is_empty() {
                return Err(Fault::validation(validation_message(&violations)));
            }
            op.run(permit, typed).await
        };
        let result = Box::pin(work).await;
        match &result {
            Ok(_) => bracket.answered(200),
            Err(fault) => self.note_failure(&mut bracket, fault, service, &request_id),
        }
        bracket.close();
        result
    }

    fn speaker(
        self: &Arc<Self>,
        principal: &'static str,
        outer: Option<&Permit>,
        speaker: As,
        facts: &mut RequestFacts,
        now: casemate_names::Timestamp,
    ) -> Result<Caller, Fault> {
        // AWS: what a service asks for itself, or under a role that trusts it, comes through no service, whatever led to it.
        match speaker {
            As::Caller => {
                let outer = outer.ok_or_else(|| Fault::broken("there is no caller to speak for"))?;
                facts.called_via.push(principal);
                Ok(Caller::clone(&outer.shared_caller()))
            }
            As::Service { source } => {
                let account = source.account_id().unwrap_or_else(|| self.site().scope.account.clone());
                facts.peer = Peer::Internal;
                facts.called_via.clear();
                Ok(Caller::Service { principal, source, account })
            }
            As::Role { role, session_name, source } => {
                facts.peer = Peer::Internal;
                facts.called_via.clear();
                let session =
                    self.sessions_for(principal).role_session(&role, &session_name, &source, now)?;
                Ok(Caller::Role(Box::new(session)))
            }
        }
    }

    /// Refuses inner calls that the trust map does not list.
    fn trusted(&self, from: &str, service: &str, operation: &'static str) -> Result<(), Fault> {
        let listed = self.trust().iter().any(|edge| {
            edge.from == from && edge.to == service && (edge.operation == "*" || edge.operation == operation)
        });
        if listed {
            return Ok(());
        }
        let denial = Denial { action: operation, resource: "*".to_owned(), decision: None };
        Err(Fault::denied(denial, format!("service `{from}` may not call `{service}:{operation}`")))
    }
}
