//! Data planes: traffic that is not API calls (deployed APIs, public documents). A plane can identify, ask and invoke
//! through the same gate and the same audit, and has no other way.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use casemate_names::{AccountId, RequestId, Timestamp};
use casemate_policy::{Decision, NamedPolicy};
use casemate_schema::Document;
use casemate_sigv4::AuthError;
use casemate_wire::Head;

use crate::{
    As, Ask, BoxFuture, Caller, Fault, Incoming, Kernel, Outgoing, Peer, RequestFacts, ResourcePolicy,
    audit::Bracket,
    authn::{Presented, with_sigv4_head},
    gate::{Case, Source, judged},
    invoke::InnerCall,
};

/// Serves requests that no API operation matches.
pub trait DataPlane: fmt::Debug + Send + Sync {
    /// Is this request for this plane? Must match narrowly: it is asked before the operations are.
    fn matches(&self, head: &Head) -> bool;

    /// The account that what this request names belongs to: nothing of a closed account is served, whoever asks. `None`:
    /// it names nothing that anybody owns, or something that does not exist.
    fn owner(&self, head: &Head) -> Result<Option<AccountId>, Fault>;

    /// How large a body may be, bytes.
    /// AWS: payloads through API Gateway are limited to 10 MB.
    fn body_bytes_max(&self) -> usize {
        10 << 20
    }

    /// The name all requests to this plane are signed for, if none is served unsigned: large bodies are then read only
    /// for keys that exist.
    fn signing_name(&self) -> Option<&'static str> {
        None
    }

    /// The same two for one request, where its head tells more. Asked before anybody is identified: must be cheap, and
    /// must not tell strangers what exists.
    fn body_terms(&self, _head: &Head) -> (usize, Option<&'static str>) {
        (self.body_bytes_max(), self.signing_name())
    }

    /// Answers. Whatever happens is one audit record, which the exchange fills.
    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing>;
}

/// One request to a data plane.
pub struct Exchange {
    /// The request.
    pub incoming: Incoming,
    /// The request's only reading of the clock.
    pub now: Timestamp,
    /// The request's id.
    pub request_id: RequestId,
    facts: Arc<RequestFacts>,
    bracket: Bracket,
    service: &'static str,
    kernel: Arc<Kernel>,
}

impl Exchange {
    pub(crate) fn new(
        kernel: Arc<Kernel>,
        service: &'static str,
        incoming: Incoming,
        facts: Arc<RequestFacts>,
        bracket: Bracket,
        (now, request_id): (Timestamp, RequestId),
    ) -> Self {
        Self { incoming, now, request_id, facts, bracket, service, kernel }
    }

    /// Method, target and headers.
    pub fn head(&self) -> &Head {
        &self.incoming.head
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.incoming.body
    }

    /// The socket.
    pub fn peer(&self) -> &Peer {
        &self.facts.peer
    }

    /// Verifies the request's signature for the signing name `service`. No signature: `Caller::Anonymous`.
    ///
    /// A signature covers the *normalised* path, a data plane routes on the raw one: a signed request whose path is not
    /// normal is refused, or a captured signature for `/b` would fit `/a/../b`.
    pub fn identify(&mut self, service: &'static str) -> Result<Caller, Fault> {
        let claim = with_sigv4_head(&self.incoming.head, |head| casemate_sigv4::parse(&head))?;
        if claim.is_some() && !casemate_sigv4::is_normal_path(self.head().path()) {
            return Err(AuthError::SignatureDoesNotMatch.into());
        }
        let presented = Presented {
            incoming: &self.incoming,
            claim: claim.as_ref(),
            service,
            peer: &self.facts.peer,
            now: self.now,
        };
        self.kernel.identify(&presented, &mut self.bracket)
    }

    /// Evaluates one ask through every layer, with the resource policy given, and notes the decision.
    pub fn decide(
        &mut self,
        caller: &Caller,
        ask: &Ask,
        policy: Option<&ResourcePolicy>,
    ) -> Result<Decision, Fault> {
        self.decide_by(caller, ask, Source::Given(policy))
    }

    /// The same where the service that owns the resource knows its policy and its tags, by its ARN.
    pub fn decide_owned(&mut self, caller: &Caller, ask: &Ask) -> Result<Decision, Fault> {
        self.decide_by(caller, ask, Source::Owner)
    }

    fn decide_by(&mut self, caller: &Caller, ask: &Ask, source: Source<'_>) -> Result<Decision, Fault> {
        let (kernel, facts, now) = (&self.kernel, &self.facts, self.now);
        let case = Case { source, ..Case::of(caller, ask, facts, now) };
        let (decision, seen) = kernel.gate().gathered(kernel, &case, judged)?;
        kernel.observe(&case, &decision);
        if decision.is_allowed() {
            kernel.observe_use(caller, std::slice::from_ref(ask), facts, now);
        }
        self.bracket.asked(&crate::Access::Iam(vec![ask.clone()]));
        if let Some(seen) = seen {
            self.bracket.refused(ask, seen.record);
        }
        self.bracket.decided(&decision);
        Ok(decision)
    }

    /// Evaluates one ask against one policy alone (what an authorizer answered for this caller), with the condition
    /// keys of this request, and notes the decision.
    pub fn weigh(&mut self, caller: &Caller, ask: &Ask, policy: &NamedPolicy) -> Result<Decision, Fault> {
        let case = Case::of(caller, ask, &self.facts, self.now);
        let decision = self.kernel.gate().weigh(&self.kernel, &case, policy)?;
        self.bracket.asked(&crate::Access::Iam(vec![ask.clone()]));
        self.bracket.decided(&decision);
        Ok(decision)
    }

    /// Calls an operation as this plane's service. `As::Caller` is refused.
    pub async fn invoke(
        &self,
        service: &'static str,
        operation: &'static str,
        speaker: As,
        input: Document,
    ) -> Result<Document, Fault> {
        let principal = self.kernel.principal_of(self.service);
        let call = InnerCall {
            from: self.service,
            principal,
            outer: None,
            request_id: Some(self.request_id.clone()),
            trace: None,
            service,
            operation,
            speaker,
            input,
        };
        self.kernel.invoke_from(call).await
    }

    /// The audit record of this request.
    pub fn record(&mut self) -> &mut Bracket {
        &mut self.bracket
    }

    /// Source address, user agent and so on.
    pub fn facts(&self) -> &RequestFacts {
        &self.facts
    }

    pub(crate) fn into_bracket(self) -> Bracket {
        self.bracket
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, StatusCode, Uri};

    use super::*;

    /// Says only what every plane must.
    #[derive(Debug)]
    struct Bare;

    impl DataPlane for Bare {
        fn matches(&self, _head: &Head) -> bool {
            false
        }

        fn owner(&self, _head: &Head) -> Result<Option<AccountId>, Fault> {
            Ok(None)
        }

        fn serve<'a>(&'a self, _exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
            Box::pin(std::future::ready(Outgoing::new(StatusCode::NOT_FOUND, "text/plain", "")))
        }
    }

    #[test]
    fn a_plane_that_does_not_say_takes_ten_megabytes_of_whoever_asks() {
        let head = Head::new(Method::POST, Uri::from_static("/"), HeaderMap::new());
        assert_eq!(Bare.body_terms(&head), (10_485_760, None));
    }
}
