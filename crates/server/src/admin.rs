//! What an administrator asks of the server itself: is it alive, and what is in the outbox.
//!
//! `GET /_casemate/health` is public and says nothing but that requests are served. `GET /_casemate/outbox?limit=N` needs a
//! signature (service name `casemate`) and `casemate:ReadOutbox` on `arn:aws:casemate:REGION:ACCOUNT:outbox`.

use casemate_kernel::{
    Ask, BoxFuture, Caller, DataPlane, Env, Exchange, Fault, Message, Outgoing, policy::Decision,
};
use casemate_names::Arn;
use casemate_schema::Protocol;
use casemate_wire::Head;
use http::{Method, StatusCode};
use serde_json::json;

/// The name requests are signed for.
pub const SERVICE: &str = "casemate";
/// Messages answered at most.
const MESSAGES_MAX: usize = 100;

/// Serves `/_casemate/health` and `/_casemate/outbox`.
#[derive(Debug)]
pub struct Admin {
    env: Env,
}

impl Admin {
    /// Opens the plane.
    pub fn new(env: Env) -> Self {
        Self { env }
    }

    fn outbox(&self, exchange: &mut Exchange) -> Result<Outgoing, Fault> {
        let caller = exchange.identify(SERVICE)?;
        let account = caller.account().unwrap_or_else(|| self.env.site.scope.account.clone());
        let scope = self.env.scope_of(&account);
        let ask = Ask::on("casemate:ReadOutbox", Arn::regional(&scope, SERVICE, "outbox"));
        let decision = exchange.decide(&caller, &ask, None)?;
        if !decision.is_allowed() {
            return Ok(refusal(&caller, &ask, &decision));
        }
        let limit = exchange.head().query().strip_prefix("limit=").and_then(|n| n.parse().ok()).unwrap_or(20);
        let messages = self.env.outbox.list(&scope, usize::min(limit, MESSAGES_MAX))?;
        let body = json!({ "messages": messages.iter().map(shown).collect::<Vec<_>>() });
        Ok(Outgoing::new(StatusCode::OK, "application/json", body.to_string()))
    }
}

impl DataPlane for Admin {
    fn matches(&self, head: &Head) -> bool {
        matches!(head.path(), "/_casemate/health" | "/_casemate/outbox")
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            if exchange.head().method != Method::GET {
                return Outgoing::new(StatusCode::METHOD_NOT_ALLOWED, "application/json", "{}");
            }
            if exchange.head().path() == "/_casemate/health" {
                exchange.record().routed(SERVICE, "Health");
                exchange.record().identified(&Caller::Anonymous, None);
                return Outgoing::new(StatusCode::OK, "application/json", r#"{"status":"serving"}"#);
            }
            exchange.record().routed(SERVICE, "ReadOutbox");
            match self.outbox(exchange) {
                Ok(answer) => answer,
                Err(fault) => {
                    let (code, status) = fault.code(Protocol::RestJson, "ValidationException");
                    exchange.record().failed(&fault, code, status);
                    let body = json!({ "__type": code, "message": fault.message_for(Protocol::RestJson) });
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    Outgoing::new(status, "application/json", body.to_string())
                }
            }
        })
    }
}

fn refusal(caller: &Caller, ask: &Ask, decision: &Decision) -> Outgoing {
    if matches!(caller, Caller::Anonymous) {
        let body =
            r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#;
        return Outgoing::new(StatusCode::FORBIDDEN, "application/json", body);
    }
    let resource = ask.resource.as_ref().map_or("*", Arn::as_str);
    let text = decision.denial_text(&caller.arn_text(), ask.action, resource);
    let body = json!({ "__type": "AccessDeniedException", "message": text });
    Outgoing::new(StatusCode::FORBIDDEN, "application/json", body.to_string())
}

fn shown(message: &Message) -> serde_json::Value {
    json!({
        "queuedAt": message.queued_at.iso8601(),
        "source": message.source,
        "reason": message.reason,
        "medium": message.medium,
        "destination": message.destination,
        "username": message.username,
        "text": message.text.expose(),
    })
}
