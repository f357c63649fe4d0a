//! The shape of the tables.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

/// One question and its answer. Policies are statements, lists of statements, or one of the words `allow` (everything),
/// `deny` (everything) and `nothing` (something else).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) name: String,
    /// Where the expectation comes from.
    #[serde(rename = "source")]
    pub(crate) _source: String,
    /// Who asks: see `ask::principal`.
    #[serde(default = "user")]
    pub(crate) principal: String,
    /// Whose the resource is: `mine` or `other`.
    #[serde(default = "mine")]
    pub(crate) owner: String,
    /// `ordinary`, `trust`, `both`, or `of its service`: as the rules of the action's service say.
    #[serde(default = "ordinary")]
    pub(crate) rule: String,
    #[serde(default)]
    pub(crate) identity: Vec<Json>,
    pub(crate) resource: Option<Json>,
    pub(crate) boundary: Option<Vec<Json>>,
    pub(crate) session: Option<Vec<Json>>,
    #[serde(default)]
    pub(crate) service_control: Vec<Vec<Json>>,
    #[serde(default)]
    pub(crate) resource_control: Vec<Vec<Json>>,
    pub(crate) vpc_endpoint: Option<Vec<Json>>,
    /// A grant on the resource names the caller.
    #[serde(default)]
    pub(crate) grant: bool,
    #[serde(default = "action")]
    pub(crate) action: String,
    #[serde(default = "arn")]
    pub(crate) arn: String,
    /// A text, a list of texts, or null for unknown.
    #[serde(default)]
    pub(crate) context: BTreeMap<String, Json>,
    /// `allow`, `implicit`, `explicit`, or `unparsable`: the documents must be refused when they are stored.
    pub(crate) expect: String,
    /// The layer that must be named, as it stands in denial texts.
    pub(crate) layer: Option<String>,
}

/// A resource policy and whether it is public.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublicVector {
    pub(crate) name: String,
    #[serde(rename = "source")]
    pub(crate) _source: String,
    pub(crate) policy: Json,
    pub(crate) public: bool,
}

/// A document for a resource, and whether the resource's service takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttachedVector {
    pub(crate) name: String,
    #[serde(rename = "source")]
    pub(crate) _source: String,
    pub(crate) resource: String,
    pub(crate) policy: Json,
    /// The document is filled up with blanks to this length in bytes.
    #[serde(default)]
    pub(crate) bytes: usize,
    /// Public policies are to be blocked.
    #[serde(default)]
    pub(crate) block_public: bool,
    /// What the refusal begins with: its code, and its message where AWS's is known. Without it the document is taken.
    pub(crate) refused: Option<String>,
}

fn user() -> String {
    "user".to_owned()
}

fn mine() -> String {
    "mine".to_owned()
}

fn ordinary() -> String {
    "ordinary".to_owned()
}

fn action() -> String {
    "s3:GetObject".to_owned()
}

fn arn() -> String {
    "arn:aws:s3:::bucket/key".to_owned()
}

/// Statements as a whole document. An object with `Statement` is one already.
pub(crate) fn document(statements: &Json) -> Json {
    if statements.get("Statement").is_some() {
        return statements.clone();
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}
