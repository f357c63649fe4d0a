//! The audit trail: one record per request, hash-chained, separate from diagnostics, always on.
//!
//! A [`Bracket`] is opened before a request is routed and closed exactly once: by the pipeline, or, if the request is
//! abandoned or panics, by its own drop. What is closed is appended to a [`Trail`]. If the trail cannot be written the
//! server refuses further requests: an action that cannot be recorded does not happen.

mod chain;
mod files;
mod record;
mod search;
mod trail;

use casemate_names::{RequestId, Timestamp};
use casemate_policy::Decision;

pub use chain::{ChainError, Verified, verify_directory};
pub use record::{AskRecord, DecisionRecord, KeyRecord, Kind, Outcome, Record, RefusedRecord, SeenValue};
pub use trail::{Audit, AuditError};

use crate::{Access, Ask, Caller, Denial, Fault, FaultKind, Peer};

/// One request's record while the request runs.
#[derive(Debug)]
pub struct Bracket {
    audit: Audit,
    record: Option<Box<Record>>,
}

impl Bracket {
    pub(crate) fn open(audit: &Audit, kind: Kind, id: &RequestId, now: Timestamp, peer: &Peer) -> Self {
        let record = Record::opened(kind, id.as_str().to_owned(), now, peer.label());
        Self { audit: audit.clone(), record: Some(Box::new(record)) }
    }

    /// Notes method and path. The query is left out: presigned requests carry their signature there.
    pub fn http(&mut self, method: &str, path: &str) {
        self.with(|record| {
            record.method = Some(method.to_owned());
            record.path = Some(path.chars().take(PATH_SHOWN_MAX).collect());
        });
    }

    /// Notes what was routed to.
    pub fn routed(&mut self, service: &str, operation: &str) {
        self.with(|record| {
            record.service = Some(service.to_owned());
            record.operation = Some(operation.to_owned());
        });
    }

    /// Notes which request caused this one.
    pub fn parent(&mut self, parent: &RequestId) {
        self.with(|record| record.parent = Some(parent.as_str().to_owned()));
    }

    /// Notes who calls.
    pub fn identified(&mut self, caller: &Caller, access_key_id: Option<&str>) {
        self.with(|record| {
            record.caller = caller.arn_text();
            record.access_key_id = access_key_id.map(str::to_owned);
            if let Caller::Role(session) = caller {
                record.function = session.source_function.as_ref().map(|arn| arn.as_str().to_owned());
            }
        });
    }

    /// Notes what is asked for.
    pub fn asked(&mut self, access: &Access) {
        self.with(|record| match access {
            Access::Iam(asks) => {
                record.asks = asks.iter().take(ASKS_SHOWN_MAX).map(AskRecord::of).collect();
                if asks.len() > ASKS_SHOWN_MAX {
                    record.detail = Some(format!("asks in all: {}", asks.len()));
                }
            }
            Access::Identified(reason) | Access::Public(reason, _) => {
                record.detail = Some((*reason).to_owned());
            }
            Access::InBand(proof) => record.detail = Some(format!("in-band proof: {}", proof.kind)),
        });
    }

    /// Notes the deciding layer and statement.
    pub fn decided(&mut self, decision: &Decision) {
        self.with(|record| record.decision = Some(DecisionRecord::of(decision)));
    }

    /// Notes what a refused ask was refused on. The ask must have been noted before.
    pub(crate) fn refused(&mut self, ask: &Ask, seen: RefusedRecord) {
        let of = AskRecord::of(ask);
        self.with(|record| {
            let noted = record.asks.iter_mut().find(|known| known.same_as(&of) && known.refused.is_none());
            if let Some(noted) = noted {
                noted.refused = Some(seen);
            }
        });
    }

    /// Free text for people. Never secrets.
    pub fn detail(&mut self, text: impl Into<String>) {
        self.with(|record| record.detail = Some(text.into()));
    }

    /// Marks the record as an alarm: something happened that honest use does not produce.
    pub fn alarm(&mut self, text: impl Into<String>) {
        self.with(|record| record.alarm = Some(text.into()));
    }

    /// Notes a failure: code, and for denials the decision.
    pub fn failed(&mut self, fault: &Fault, code: &str, status: u16) {
        self.with(|record| {
            record.outcome = Outcome { status, code: Some(code.to_owned()) };
            match fault.kind() {
                FaultKind::Denied(denial) => record_denial(record, denial, fault.message()),
                FaultKind::Internal(cause) => record.detail = Some(format!("internal error: {cause}")),
                _ => record.detail = Some(fault.message().chars().take(DETAIL_SHOWN_MAX).collect()),
            }
        });
    }

    /// Notes an answer's status where there is no fault (successes and data-plane answers).
    pub fn answered(&mut self, status: u16) {
        self.with(|record| record.outcome = Outcome { status, code: record.outcome.code.take() });
    }

    /// Closes the record. Dropping does the same; this says so.
    pub fn close(self) {}

    fn with(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.record.as_deref_mut() {
            change(record);
        }
    }
}

impl Drop for Bracket {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.audit.append(*record);
        }
    }
}

/// Something that is not a request: what happened inside an execution environment, a background failure.
#[derive(Debug)]
pub struct Event {
    /// What, e.g. `sandbox.exec-denied`.
    pub name: &'static str,
    /// When.
    pub at: Timestamp,
    /// The environment or other place it happened in.
    pub place: String,
    /// The function concerned.
    pub function: Option<String>,
    /// The invocation it belongs to.
    pub request_id: Option<String>,
    /// Particulars. Never secrets.
    pub detail: String,
    /// Is it something honest use does not produce?
    pub alarm: Option<String>,
}

impl Audit {
    /// Records an event. Where events come faster than they are written, they are counted instead: they must not take the
    /// memory of the records of requests.
    pub fn event(&self, event: Event) {
        let id = event.request_id.clone().unwrap_or_default();
        let mut record = Record::opened(Kind::Event, id, event.at, event.place);
        record.operation = Some(event.name.to_owned());
        record.function = event.function;
        record.detail = Some(event.detail.chars().take(DETAIL_SHOWN_MAX).collect());
        record.alarm = event.alarm;
        self.append_event(record, event.at);
    }
}

fn record_denial(record: &mut Record, denial: &Denial, text: &str) {
    if let Some(decision) = &denial.decision {
        record.decision = Some(DecisionRecord::of(decision));
    }
    record.detail = Some(text.chars().take(DETAIL_SHOWN_MAX).collect());
}

const PATH_SHOWN_MAX: usize = 512;
/// Ours: asks are known before constraints are checked and before anyone is admitted, so without a limit a stranger's
/// list of names would be written to disk several times its size. Legal calls ask at most for a hundred things.
const ASKS_SHOWN_MAX: usize = 128;
const DETAIL_SHOWN_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use casemate_names::Arn;

    use super::*;

    #[test]
    fn a_long_list_of_asks_is_not_written_whole() {
        let audit = Audit::in_memory();
        let id = RequestId::new("r".to_owned());
        let mut bracket =
            Bracket::open(&audit, Kind::Request, &id, Timestamp::from_seconds(0), &Peer::Internal);
        let long = Arn::from_parts(["aws", "toys", "us-east-1", "123456789012", &"x".repeat(100_000)]);
        bracket.asked(&Access::Iam(vec![Ask::on("toys:Make", long); 500]));
        bracket.close();
        let record = audit.records().pop().unwrap();
        assert_eq!(record.asks.len(), ASKS_SHOWN_MAX);
        assert!(record.asks.iter().all(|ask| ask.resource.len() <= 2_048));
        assert_eq!(record.detail.as_deref(), Some("asks in all: 500"));
    }
}
