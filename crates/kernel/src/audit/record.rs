//! What one audit record holds and how it looks on disk (one JSON object per line).

use casemate_names::Timestamp;
use casemate_policy::{Decision, Verdict};
use serde::{Deserialize, Serialize};

use crate::Ask;

/// One line of the trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the trail, from 1, without gaps.
    pub sequence: u64,
    /// Request, inner call or event.
    pub kind: Kind,
    /// The request's id (for events: the invocation's, may be empty).
    pub id: String,
    /// The request that caused this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// When it was opened, ISO 8601 with milliseconds.
    pub at: String,
    /// The socket it came from.
    pub peer: String,
    /// HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path without query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The service routed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The operation, or the event's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// ARN of the caller; `anonymous` when there is none, `unidentified` before that is known.
    pub caller: String,
    /// The access key used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The function in whose environment it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<AskRecord>,
    /// The deciding layer and statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionRecord>,
    /// How it ended.
    pub outcome: Outcome,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Something honest use does not produce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A request from a socket.
    Request,
    /// A call from one service to another.
    Call,
    /// Something that happened.
    Event,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// HTTP status; 0 for a request that was abandoned (its task ended before an answer) and for events.
    pub status: u16,
    /// The error code, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// One ask. Its condition keys may hold data: they are noted for refusals only, and only those that a policy mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskRecord {
    /// `service:Action`
    pub action: String,
    /// ARN or `*`.
    pub resource: String,
    /// For the ask that was refused: what it was refused on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedRecord>,
}

/// What a refusal depended on, so that it can be explained later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRecord {
    /// Names the policies of all layers as they were: another text means that one of them has changed.
    pub policies: String,
    /// The condition keys that they mention, with the values they had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyRecord>,
    /// More keys were mentioned than are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The decision.
    pub decision: Decision,
}

/// A condition key and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// In lower case.
    pub key: String,
    /// Its value.
    pub value: SeenValue,
}

/// The value of a condition key, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeenValue {
    /// The request had no such key.
    Absent,
    /// It could not be told.
    Unknown,
    /// Single-valued.
    One(String),
    /// Multi-valued.
    Many(Vec<String>),
    /// It had a value that is not kept: too long, too many, or private.
    Withheld,
}

/// The deciding layer and statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// `allow`, `implicit-deny` or `explicit-deny`.
    pub verdict: String,
    /// Layer, policy and statement as the engine words it.
    pub because: String,
}

impl Record {
    pub(crate) fn opened(kind: Kind, id: String, now: Timestamp, peer: String) -> Self {
        Self {
            sequence: 0,
            kind,
            id,
            parent: None,
            at: now.iso8601_millis(),
            peer,
            method: None,
            path: None,
            service: None,
            operation: None,
            caller: "unidentified".to_owned(),
            access_key_id: None,
            function: None,
            asks: Vec::new(),
            decision: None,
            outcome: Outcome { status: 0, code: None },
            detail: None,
            alarm: None,
        }
    }
}

/// AWS: an ARN has at most 2,048 characters. What a client sends in the place of a name may be longer.
const RESOURCE_SHOWN_MAX: usize = 2_048;

impl AskRecord {
    pub(crate) fn of(ask: &Ask) -> Self {
        let resource = ask.resource.as_ref().map_or("*", |arn| arn.as_str());
        let resource = resource.chars().take(RESOURCE_SHOWN_MAX).collect();
        Self { action: ask.action.to_owned(), resource, refused: None }
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.action == other.action && self.resource == other.resource
    }
}

impl DecisionRecord {
    pub(crate) fn of(decision: &Decision) -> Self {
        let verdict = match decision.verdict {
            Verdict::Allow => "allow",
            Verdict::ImplicitDeny => "implicit-deny",
            Verdict::ExplicitDeny => "explicit-deny",
        };
        Self { verdict: verdict.to_owned(), because: because(decision) }
    }
}

/// `identity-based policy "reader", statement 0 (Sid AllowRead)`, or the layer alone where nothing in it applied.
fn because(decision: &Decision) -> String {
    let layer = decision.because.layer;
    match &decision.because.decisive {
        None => format!("no statement of the {layer} layer allows it"),
        Some(found) => {
            let sid = found.sid.as_ref().map_or_else(String::new, |sid| format!(" (Sid {sid})"));
            format!("{layer} policy `{}`, statement {}{sid}", found.policy, found.statement)
        }
    }
}
