//! The one path of every request. Every byte that reaches a service passes here, in this order, and nowhere else.

use std::sync::Arc;

use casemate_names::{RequestId, Timestamp};
use casemate_schema::{Auth, check, validation_message};
use casemate_sigv4 as sigv4;
use casemate_wire::{self as wire, Dialect, ErrorAnswer, Head, HttpAnswer, Route, WireError};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    BodyStream, Caller, DataPlane, Exchange, Fault, FaultKind, Incoming, Kernel, Outgoing, Peer,
    RequestFacts,
    audit::{Bracket, Kind},
    authn::{Presented, with_sigv4_head},
    ceilings::CLOSED,
    gate::Admission,
    message,
};

impl Kernel {
    /// Serves one request to its end, even if the client goes away meanwhile.
    pub async fn serve(self: &Arc<Self>, peer: Peer, incoming: Incoming) -> Outgoing {
        let kernel = Arc::clone(self);
        // A task of its own: an abandoned connection does not stop what was admitted, and a panic ends one request only
        // (its bracket is closed by drop).
        let served = tokio::spawn(async move { kernel.answer(peer, incoming).await }).await;
        served.unwrap_or_else(|_| {
            tracing::error!("a request panicked");
            Outgoing::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "application/json",
                r#"{"__type":"InternalFailure"}"#,
            )
        })
    }

    async fn answer(self: &Arc<Self>, peer: Peer, incoming: Incoming) -> Outgoing {
        let now = self.clock().now();
        if let Err(why) = self.audit().healthy() {
            return self.unrecorded(&incoming, &why);
        }
        let request_id = self.new_request_id();
        let mut bracket = Bracket::open(self.audit(), Kind::Request, &request_id, now, &peer);
        bracket.http(incoming.head.method.as_str(), incoming.head.path());
        let facts = Arc::new(RequestFacts {
            user_agent: incoming.head.header("user-agent").map(str::to_owned),
            referer: incoming.head.header("referer").map(str::to_owned),
            trace: incoming.head.header("x-amzn-trace-id").map(str::to_owned),
            called_via: Vec::new(),
            peer,
        });
        let plane = self.planes().iter().find(|(_, plane)| plane.matches(&incoming.head));
        if let Some((service, plane)) = plane {
            bracket.routed(service, "data-plane");
            let claim = with_sigv4_head(&incoming.head, |head| sigv4::parse(&head));
            self.note_decoy(claim.ok().flatten().as_ref(), &facts.peer, &mut bracket);
            if let Some(refusal) = self.closed(&**plane, &incoming.head, &mut bracket) {
                bracket.answered(refusal.status.as_u16());
                bracket.close();
                return refusal;
            }
            let mut exchange =
                Exchange::new(Arc::clone(self), service, incoming, facts, bracket, (now, request_id));
            let outgoing = plane.serve(&mut exchange).await;
            return close(outgoing, exchange.into_bracket());
        }
        let origin = incoming.head.headers.contains_key(header::ORIGIN);
        let mut outgoing = if is_preflight(&incoming.head) {
            bracket.routed("kernel", "preflight");
            bracket.identified(&Caller::Anonymous, None);
            preflight_answer()
        } else {
            self.api(incoming, facts, now, &request_id, &mut bracket).await
        };
        if origin {
            // Credentials of API calls are signed headers, never ambient: any page may see the answer to what it signed.
            let any = HeaderValue::from_static("*");
            outgoing.headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
            let exposed = HeaderValue::from_static("x-amzn-requestid,x-amzn-errortype,x-amz-crc32,date");
            outgoing.headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        close(outgoing, bracket)
    }

    /// The refusal of a request that could not be recorded, in its protocol's words. Its id is in no record, but in the log.
    // AWS: `ServiceUnavailable` with 503 is a common error of the query, JSON and REST services alike (API references, "Common
    // errors"); deployed APIs answer so.
    fn unrecorded(&self, incoming: &Incoming, why: &str) -> Outgoing {
        let request_id = self.new_request_id();
        tracing::error!(why, request_id = request_id.as_str(), "refusing a request");
        if self.planes().iter().any(|(_, plane)| plane.matches(&incoming.head)) {
            let body = r#"{"message":"Service Unavailable"}"#;
            return Outgoing::new(StatusCode::SERVICE_UNAVAILABLE, "application/json", body);
        }
        let claim = with_sigv4_head(&incoming.head, |head| sigv4::parse(&head)).ok().flatten();
        let scope = claim.as_ref().map(|claim| claim.scope.service.as_str());
        let dialect = match self.router().route(&incoming.head, scope, &incoming.body) {
            Ok(route) => Dialect::from(route.op.service),
            Err(error) => error.dialect,
        };
        let answer = ErrorAnswer::new("ServiceUnavailable", "the audit trail cannot be written", 503);
        outgoing(wire::encode_error(&answer, dialect, request_id.as_str()))
    }

    /// The refusal of a request for what belongs to a closed account; also where nobody can tell whose it is.
    fn closed(&self, plane: &dyn DataPlane, head: &Head, bracket: &mut Bracket) -> Option<Outgoing> {
        let judged = plane.owner(head).and_then(|owner| self.is_closed(owner.as_ref()));
        let (status, why) = match judged {
            Ok(false) => return None,
            Ok(true) => (StatusCode::FORBIDDEN, CLOSED.to_owned()),
            Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()),
        };
        bracket.identified(&Caller::Anonymous, None);
        bracket.detail(why);
        let body = if status == StatusCode::FORBIDDEN { "Forbidden" } else { "Internal server error" };
        Some(Outgoing::new(status, "application/json", format!(r#"{{"message":"{body}"}}"#)))
    }

    async fn api(
        self: &Arc<Self>,
        incoming: Incoming,
        facts: Arc<RequestFacts>,
        now: Timestamp,
        request_id: &RequestId,
        bracket: &mut Bracket,
    ) -> Outgoing {
        let claim = with_sigv4_head(&incoming.head, |head| sigv4::parse(&head));
        self.note_decoy(claim.as_ref().ok().and_then(Option::as_ref), &facts.peer, bracket);
        let scope = claim.as_ref().ok().and_then(Option::as_ref).and_then(sigv4::Claim::service);
        let route = match self.router().route(&incoming.head, scope, &incoming.body) {
            Ok(route) => route,
            Err(error) => return unrouted(&error, request_id, bracket),
        };
        let meta = route.op;
        bracket.routed(meta.service.prefix, meta.name);
        let steps = self.steps(&incoming, &route, claim, facts, now, request_id, bracket);
        match Box::pin(steps).await {
            Ok((answer, stream)) => Outgoing { stream, ..outgoing(answer) },
            Err(Stop::Fault(fault)) => {
                self.note_failure(bracket, &fault, meta.service.prefix, request_id);
                self.render_fault(&fault, meta.service, request_id)
            }
            Err(Stop::Syntax(error)) => {
                bracket.detail(error.message.clone());
                outgoing(wire::encode_error(&error, Dialect::from(meta.service), request_id.as_str()))
            }
        }
    }

    /// identify ─▶ decode ─▶ (weigh evidence) ─▶ ask ─▶ admit ─▶ check ─▶ run ─▶ encode
    #[expect(clippy::too_many_arguments, reason = "the request path in one signature")]
    async fn steps(
        self: &Arc<Self>,
        incoming: &Incoming,
        route: &Route,
        claim: Result<Option<sigv4::Claim>, sigv4::AuthError>,
        facts: Arc<RequestFacts>,
        now: Timestamp,
        request_id: &RequestId,
        bracket: &mut Bracket,
    ) -> Result<(HttpAnswer, Option<BodyStream>), Stop> {
        let meta = route.op;
        let operation = self.operation(meta.service.prefix, meta.name)?;
        let caller = match meta.auth {
            // AWS: a signature on an operation that needs none is accepted and gives no rights.
            Auth::None => {
                bracket.identified(&Caller::Anonymous, None);
                Caller::Anonymous
            }
            Auth::SigV4 => {
                let claim = claim.map_err(Fault::from)?;
                let presented = Presented {
                    incoming,
                    claim: claim.as_ref(),
                    service: meta.service.signing_name,
                    peer: &facts.peer,
                    now,
                };
                self.identify(&presented, bracket)?
            }
        };
        let document = wire::decode(route, &incoming.head, &incoming.body)
            .map_err(|error| Stop::Syntax(error.answer(meta.service.protocol)))?;
        let violations = check(meta.input, &document);
        let input = operation.read(document);
        // Before any code is used up: who may not call this at all learns nothing and costs nobody a code.
        operation.service().accepts(meta.name, &caller)?;
        let (caller, mfa) = self.weigh_evidence(&*operation, &*input, caller, now, bracket).await?;
        let mut access = operation.access(&*input, &caller)?;
        if mfa {
            access.prove_mfa();
        }
        let admission = Admission { caller, now, request_id, facts, mfa };
        let permit = self.gate().admit(self, &*operation, access, admission, bracket)?;
        if !violations.is_empty() {
            return Err(Fault::validation(validation_message(&violations)).into());
        }
        let streamed = permit.streamed();
        let output = operation.run(permit, input).await?;
        Ok((wire::encode(meta, output, request_id.as_str()), streamed.take()))
    }

    /// Puts a fault into the record and, if it is ours, into the log.
    pub(crate) fn note_failure(
        &self,
        bracket: &mut Bracket,
        fault: &Fault,
        service: &str,
        request_id: &RequestId,
    ) {
        if let FaultKind::Internal(cause) = fault.kind() {
            tracing::error!(service, request_id = request_id.as_str(), %cause, "internal error");
        }
        let protocol = self.protocol_of(service);
        let (code, status) = fault.code(protocol, self.validation_code_of(service));
        bracket.failed(fault, code, status);
    }

    fn render_fault(
        &self,
        fault: &Fault,
        service: &'static casemate_schema::ServiceMeta,
        request_id: &RequestId,
    ) -> Outgoing {
        let (code, status) = fault.code(service.protocol, self.validation_code_of(service.prefix));
        let mut answer = ErrorAnswer::new(code, fault.message_for(service.protocol), status);
        if let FaultKind::Modelled(meta) = fault.kind() {
            answer.schema = Some(meta.schema);
            answer.fields = fault.fields().clone();
        }
        let mut answer = outgoing(wire::encode_error(&answer, Dialect::from(service), request_id.as_str()));
        if let Some(message) = fault.encoded_message().and_then(|text| HeaderValue::from_str(text).ok()) {
            answer.headers.insert(message::HEADER, message);
        }
        answer
    }

    /// How large a body may be, from the head alone. Listeners stop reading beyond it. Large bodies are read only for
    /// requests whose claim of identity can still turn out to be true: known key, right scope, within its time.
    pub fn body_limit(&self, head: &Head) -> usize {
        let claim = with_sigv4_head(head, |head| sigv4::parse(&head)).ok().flatten();
        if let Some((_, plane)) = self.planes().iter().find(|(_, plane)| plane.matches(head)) {
            let (bytes_max, service) = plane.body_terms(head);
            return self.plausible_or_less(claim.as_ref(), service, bytes_max);
        }
        let scope = claim.as_ref().and_then(sigv4::Claim::service);
        let op = self.router().route_head(head, scope).ok().flatten().map(|route| route.op);
        let service = op.map(|op| op.service.signing_name);
        self.plausible_or_less(claim.as_ref(), service, wire::body_bytes_max(op))
    }

    /// Records a request that a listener refused before it could be served (too large, too slow, ambiguous host).
    pub fn refused(&self, peer: &Peer, head: &Head, status: u16, why: &str) {
        let now = self.clock().now();
        let mut bracket = Bracket::open(self.audit(), Kind::Request, &self.new_request_id(), now, peer);
        bracket.http(head.method.as_str(), head.path());
        bracket.routed("kernel", "refused-by-listener");
        let claim = with_sigv4_head(head, |head| sigv4::parse(&head));
        self.note_decoy(claim.ok().flatten().as_ref(), peer, &mut bracket);
        bracket.detail(why);
        bracket.answered(status);
        bracket.close();
    }

    /// An alarm, wherever the request leads, if it claims a key that lies somewhere as a decoy.
    fn note_decoy(&self, claim: Option<&sigv4::Claim>, peer: &Peer, bracket: &mut Bracket) {
        if let Some(claim) = claim {
            self.decoys().note(&claim.access_key_id, peer, bracket);
        }
    }

    fn plausible_or_less(
        &self,
        claim: Option<&sigv4::Claim>,
        service: Option<&'static str>,
        bytes_max: usize,
    ) -> usize {
        let Some(service) = service.filter(|_| bytes_max > ANONYMOUS_BODY_MAX) else {
            return bytes_max;
        };
        let plausible = claim.is_some_and(|claim| self.could_be_true(claim, service));
        if plausible { bytes_max } else { ANONYMOUS_BODY_MAX }
    }
}

/// Bytes that are read of a signed operation's body for someone who cannot possibly be admitted.
const ANONYMOUS_BODY_MAX: usize = 1 << 20;

/// Why the path ended early.
enum Stop {
    Fault(Fault),
    Syntax(ErrorAnswer),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn unrouted(error: &WireError, request_id: &RequestId, bracket: &mut Bracket) -> Outgoing {
    let answer = error.answer();
    bracket.detail(answer.message.clone());
    outgoing(wire::encode_error(&answer, error.dialect, request_id.as_str()))
}

/// Closes the record: now, or when the answer's stream has ended.
fn close(mut outgoing: Outgoing, mut bracket: Bracket) -> Outgoing {
    bracket.answered(outgoing.status.as_u16());
    match &mut outgoing.stream {
        Some(stream) => stream.hold(bracket),
        None => bracket.close(),
    }
    outgoing
}

fn outgoing(answer: HttpAnswer) -> Outgoing {
    let mut headers = HeaderMap::with_capacity(answer.headers.len());
    for (name, value) in answer.headers {
        headers.append(name, value);
    }
    Outgoing::of(answer.status, headers, answer.body)
}

fn is_preflight(head: &Head) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Browsers call the identity service directly and ask first which headers they may send.
fn preflight_answer() -> Outgoing {
    let mut answer = Outgoing::new(StatusCode::OK, "text/plain", "");
    let allowed = "authorization,cache-control,content-type,x-amz-content-sha256,x-amz-date,x-amz-security-token,\
                   x-amz-target,x-amz-user-agent,amz-sdk-invocation-id,amz-sdk-request";
    let entries = [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, allowed),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "DELETE,GET,HEAD,PATCH,POST,PUT"),
        (header::ACCESS_CONTROL_MAX_AGE, "172800"),
    ];
    for (name, value) in entries {
        answer.headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
