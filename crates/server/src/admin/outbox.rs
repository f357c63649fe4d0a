//! `GET /_casemate/outbox?limit=N`: messages waiting for people. Needs `casemate:ReadOutbox` on
//! `arn:aws:casemate:REGION:ACCOUNT:outbox`.

use casemate_kernel::{Env, Exchange, Fault, Message, Outgoing};
use http::StatusCode;
use serde_json::json;

/// Messages answered at most.
const MESSAGES_MAX: usize = 100;

pub(super) fn answer(env: &Env, exchange: &mut Exchange) -> Result<Outgoing, Fault> {
    let admitted = match super::admit(env, exchange, "casemate:ReadOutbox", "outbox")? {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal),
    };
    let limit = exchange.head().query().strip_prefix("limit=").and_then(|n| n.parse().ok()).unwrap_or(20);
    let messages = env.outbox.list(&admitted.scope, usize::min(limit, MESSAGES_MAX))?;
    let body = json!({ "messages": messages.iter().map(shown).collect::<Vec<_>>() });
    Ok(Outgoing::new(StatusCode::OK, "application/json", body.to_string()))
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
