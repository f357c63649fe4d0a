//! What a role of a service could do, judged before anything is done. Admits nobody: what is done later passes the gate
//! again, with the policies of then.

use casemate_names::Timestamp;

use crate::{Ask, Caller, Fault, Peer, RequestFacts, RoleFacts, Sessions, session::session_of};

impl Sessions {
    /// Would a session of `role`, made by this service, be allowed this? Neither the role's trust policy nor session
    /// policies are looked at.
    pub fn would_allow(
        &self,
        role: &RoleFacts,
        session_name: &str,
        ask: &Ask,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let session = session_of(role, session_name, now, now.plus_seconds(role.session_s_max));
        let caller = Caller::Role(Box::new(session));
        let facts = RequestFacts {
            peer: Peer::Internal,
            user_agent: None,
            referer: None,
            trace: None,
            called_via: Vec::new(),
        };
        let kernel = self.kernel();
        Ok(kernel.gate().decide(kernel, &caller, ask, &facts, now)?.is_allowed())
    }
}
