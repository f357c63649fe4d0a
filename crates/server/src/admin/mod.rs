//! What an administrator asks of the server itself. One file an endpoint; this one only routes, and words refusals.
//!
//! Everything but `GET /_casemate/health` needs a signature (service name `casemate`) and a `casemate:…` action on an ARN of
//! `arn:aws:casemate:REGION:ACCOUNT:…`.

pub mod explain;
mod health;
mod observations;
mod outbox;

use casemate_kernel::{Ask, BoxFuture, Caller, DataPlane, Env, Exchange, Fault, Outgoing, policy::Decision};
use casemate_names::{AccountId, Arn, Scope};
use casemate_schema::Protocol;
use casemate_wire::Head;
use http::{Method, StatusCode};
use serde_json::json;

pub use observations::Observations;

/// The name requests are signed for.
pub const SERVICE: &str = "casemate";

/// Serves `/_casemate/…`.
#[derive(Debug)]
pub struct Admin {
    env: Env,
}

/// What is served.
#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Explain,
    Health,
    ReadOutbox,
}

impl Endpoint {
    /// Every endpoint with its path, its method and its operation's name in the audit trail.
    const ALL: [(Self, &'static str, Method, &'static str); 3] = [
        (Self::Explain, explain::PATH, Method::POST, "Explain"),
        (Self::Health, "/_casemate/health", Method::GET, "Health"),
        (Self::ReadOutbox, "/_casemate/outbox", Method::GET, "ReadOutbox"),
    ];
}

impl Admin {
    /// Opens the plane.
    pub fn new(env: Env) -> Self {
        Self { env }
    }

    async fn answer(&self, endpoint: Endpoint, exchange: &mut Exchange) -> Result<Outgoing, Fault> {
        match endpoint {
            Endpoint::Explain => explain::answer(&self.env, exchange).await,
            Endpoint::Health => Ok(health::answer(exchange)),
            Endpoint::ReadOutbox => outbox::answer(&self.env, exchange),
        }
    }
}

impl DataPlane for Admin {
    fn matches(&self, head: &Head) -> bool {
        Endpoint::ALL.iter().any(|(_, path, ..)| *path == head.path())
    }

    fn owner(&self, _head: &Head) -> Result<Option<AccountId>, Fault> {
        // Callers ask in their own accounts, and those of a closed one are refused with every policy layer.
        Ok(None)
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            let (path, method) = (exchange.head().path(), &exchange.head().method);
            let found =
                Endpoint::ALL.into_iter().find(|(_, known, verb, _)| *known == path && verb == method);
            let Some((endpoint, _, _, operation)) = found else {
                return Outgoing::new(StatusCode::METHOD_NOT_ALLOWED, "application/json", "{}");
            };
            exchange.record().routed(SERVICE, operation);
            match self.answer(endpoint, exchange).await {
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

/// Someone who may use an endpoint, and the account they use it in.
struct Admitted {
    scope: Scope,
}

/// Identifies the caller and asks for `action` on `arn:aws:casemate:REGION:ACCOUNT:{resource}`. The refusal is the answer.
fn admit(
    env: &Env,
    exchange: &mut Exchange,
    action: &'static str,
    resource: &str,
) -> Result<Result<Admitted, Outgoing>, Fault> {
    let caller = exchange.identify(SERVICE)?;
    let account = caller.account().unwrap_or_else(|| env.site.scope.account.clone());
    let scope = env.scope_of(&account);
    let ask = Ask::on(action, Arn::regional(&scope, SERVICE, resource));
    let decision = exchange.decide(&caller, &ask, None)?;
    Ok(if decision.is_allowed() { Ok(Admitted { scope }) } else { Err(refusal(&caller, &ask, &decision)) })
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
