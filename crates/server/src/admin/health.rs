//! `GET /_casemate/health`: public, and says nothing but that requests are served.

use casemate_kernel::{Caller, Exchange, Outgoing};
use http::StatusCode;

pub(super) fn answer(exchange: &mut Exchange) -> Outgoing {
    exchange.record().identified(&Caller::Anonymous, None);
    Outgoing::new(StatusCode::OK, "application/json", r#"{"status":"serving"}"#)
}
