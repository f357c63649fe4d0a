//! Which operation a request means. Built from models; contains no service's name.
//!
//! ```text
//! X-Amz-Target ─────────────────────────────▶ awsJson: target prefix + operation
//! scope of an awsQuery service, or Action ──▶ awsQuery: (Action, Version)
//! anything else ────────────────────────────▶ REST: method + raw path, one trie per service
//! ```
//!
//! The scope of the signature, where there is one, restricts the choice to one service *before* it is verified; a request
//! that names another service than its scope is refused here. Without a scope a request is routed only if exactly one
//! operation of one service can be meant. Nothing here proves who is calling.

mod uri_trie;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use casemate_schema::{OpMeta, Protocol, ServiceMeta};
use http::Method;

use self::uri_trie::UriTrie;
use crate::{
    Dialect, Head, WireError, WireErrorKind,
    answer::FORM,
    http_value::{PairsError, pairs},
};

/// Finds operations.
#[derive(Debug, Default)]
pub struct Router {
    /// By the whole value of `X-Amz-Target`.
    targets: HashMap<String, &'static OpMeta>,
    /// By `Action`; the version and the scope choose among several.
    actions: HashMap<&'static str, Vec<&'static OpMeta>>,
    /// One trie per REST service, by signing name (several services may share one).
    tries: Vec<(&'static ServiceMeta, UriTrie)>,
    /// By signing name, for scopes.
    services: BTreeMap<&'static str, Vec<&'static ServiceMeta>>,
}

/// A request that has found its operation.
#[derive(Debug, Clone)]
pub struct Route {
    /// The operation.
    pub op: &'static OpMeta,
    /// Decoded labels of the path, in order.
    pub labels: Vec<(String, String)>,
    form: Vec<(String, String)>,
}

impl Route {
    /// A route to an operation whose input does not come from the path or a form (internal calls, tests).
    pub fn direct(op: &'static OpMeta) -> Self {
        Self { op, labels: Vec::new(), form: Vec::new() }
    }

    /// awsQuery: the decoded parameters.
    pub(crate) fn form(&self) -> &[(String, String)] {
        &self.form
    }
}

impl Router {
    /// A router over all of these operations.
    pub fn new(operations: &[&'static OpMeta]) -> Self {
        let mut router = Self::default();
        for op in operations {
            router.add(op);
        }
        router
    }

    fn add(&mut self, op: &'static OpMeta) {
        let service = op.service;
        let known = self.services.entry(service.signing_name).or_default();
        if !known.iter().any(|other| std::ptr::eq(*other, service)) {
            known.push(service);
        }
        match service.protocol {
            Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => {
                self.targets.insert(format!("{}.{}", service.target_prefix, op.name), op);
            }
            Protocol::AwsQuery => self.actions.entry(op.name).or_default().push(op),
            Protocol::RestJson => {
                let at = self.tries.iter().position(|(other, _)| std::ptr::eq(*other, service));
                let at = at.unwrap_or_else(|| {
                    self.tries.push((service, UriTrie::default()));
                    self.tries.len() - 1
                });
                if let Some((_, trie)) = self.tries.get_mut(at) {
                    trie.add(op);
                }
            }
        }
    }

    /// Finds the operation. `scope` is the service in the credential scope of the (still unverified) signature. The body
    /// is looked at only for awsQuery.
    pub fn route(&self, head: &Head, scope: Option<&str>, body: &Bytes) -> Result<Route, WireError> {
        match self.route_head(head, scope)? {
            Some(route) => Ok(route),
            None => self.route_form(head, scope, body),
        }
    }

    /// Finds the operation by the head alone; `None` when the body must be read first (awsQuery). Lets the body be
    /// limited by operation ([`crate::body_bytes_max`]) before a byte of it is buffered.
    pub fn route_head(&self, head: &Head, scope: Option<&str>) -> Result<Option<Route>, WireError> {
        if head.headers.contains_key(TARGET) {
            return self.route_target(head, scope).map(Some);
        }
        let speaks_query = match scope {
            Some(name) => {
                let services = self.services.get(name).ok_or_else(|| {
                    error(Protocol::RestJson, WireErrorKind::UnknownService(printable(name)))
                })?;
                let protocol = services.first().map_or(Protocol::RestJson, |service| service.protocol);
                match protocol {
                    Protocol::AwsQuery => true,
                    Protocol::RestJson => false,
                    // A JSON service is addressed by target only.
                    Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => {
                        return Err(error(protocol, WireErrorKind::UnknownOperation(String::new())));
                    }
                }
            }
            None => is_form(head) || has_action(head.query()),
        };
        if speaks_query && head.path() == "/" {
            return Ok(None);
        }
        self.route_path(head, scope).map(Some)
    }

    fn route_target(&self, head: &Head, scope: Option<&str>) -> Result<Route, WireError> {
        let Some(target) = head.header(TARGET) else {
            return Err(error(
                Protocol::AwsJson1_1,
                WireErrorKind::Malformed("X-Amz-Target must be given once"),
            ));
        };
        let unknown = |protocol| error(protocol, WireErrorKind::UnknownOperation(printable(target)));
        let Some(op) = self.targets.get(target) else {
            let prefix = target.rsplit_once('.').map_or(target, |(prefix, _)| prefix);
            let service = self
                .services
                .values()
                .flatten()
                .find(|service| !service.target_prefix.is_empty() && service.target_prefix == prefix);
            return Err(unknown(service.map_or(Protocol::AwsJson1_1, |service| service.protocol)));
        };
        // A browser may send such a body across origins without asking first, unless its type is one of these.
        let typed = head.media_type().is_some_and(|found| JSON_TYPES.contains(&found.as_str()));
        if head.method != Method::POST || head.path() != "/" || !typed {
            return Err(unknown(op.service.protocol));
        }
        within_scope(op, scope)?;
        Ok(Route::direct(op))
    }

    fn route_form(&self, head: &Head, scope: Option<&str>, body: &Bytes) -> Result<Route, WireError> {
        let dialect = scope
            .and_then(|name| self.services.get(name)?.first().copied())
            .map_or(Dialect::from(Protocol::AwsQuery), Dialect::from);
        let refuse = |kind| WireError { dialect, kind, op: None };
        let form = read_form(head, body).map_err(|what| refuse(WireErrorKind::Malformed(what)))?;
        let value =
            |wanted: &str| form.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let action = value("Action").filter(|action| !action.is_empty());
        let action = action.ok_or_else(|| refuse(WireErrorKind::MissingAction))?;
        let version = value("Version");
        let named = self.actions.get(action).map_or(&[][..], Vec::as_slice);
        let mut candidates = named.iter().filter(|op| {
            scope.is_none_or(|name| op.service.signing_name == name)
                && Some(op.service.api_version) == version
        });
        match (candidates.next(), candidates.next()) {
            (Some(op), None) => {
                let op = *op;
                Ok(Route { op, labels: Vec::new(), form })
            }
            (Some(_), Some(_)) => Err(refuse(WireErrorKind::Ambiguous)),
            (None, _) => Err(refuse(WireErrorKind::InvalidAction {
                action: printable(action),
                // AWS: what its answer says when there is no version.
                version: printable(version.unwrap_or("NO_VERSION_SPECIFIED")),
            })),
        }
    }

    fn route_path(&self, head: &Head, scope: Option<&str>) -> Result<Route, WireError> {
        let refuse = |kind| error(Protocol::RestJson, kind);
        // INVARIANT: signatures cover the path without dot segments and empty segments, so a path that has some is
        // nobody's: otherwise a signature made for `/b` would fit `/a/../b`. A trailing slash is kept by both.
        let inner = head.path().strip_prefix('/').unwrap_or_default();
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let changes = |segment| matches!(segment, "" | "." | "..");
        if head.path() != "/" && inner.split('/').any(changes) {
            return Err(refuse(WireErrorKind::UnknownPath));
        }
        let mut found = None;
        for (_, trie) in
            self.tries.iter().filter(|(service, _)| scope.is_none_or(|name| service.signing_name == name))
        {
            if let Some(matched) = trie.find(&head.method, head.path(), head.query()) {
                if found.is_some() {
                    return Err(refuse(WireErrorKind::Ambiguous));
                }
                found = Some(matched);
            }
        }
        let matched = found.ok_or_else(|| refuse(WireErrorKind::UnknownPath))?;
        let labels =
            matched.labels().ok_or_else(|| refuse(WireErrorKind::Malformed("the path cannot be decoded")))?;
        Ok(Route { op: matched.op, labels, form: Vec::new() })
    }
}

/// The signature must be for the service that the request names.
fn within_scope(op: &'static OpMeta, scope: Option<&str>) -> Result<(), WireError> {
    match scope {
        Some(name) if name != op.service.signing_name => Err(WireError {
            dialect: Dialect::from(op.service),
            kind: WireErrorKind::ForeignScope { expected: op.service.signing_name },
            op: Some(op),
        }),
        _ => Ok(()),
    }
}

/// The parameters of query string and form together. One that occurs twice is refused: AWS does not say which counts, and
/// what is checked must be what is used.
fn read_form(head: &Head, body: &Bytes) -> Result<Vec<(String, String)>, &'static str> {
    let split = |text| {
        pairs(text, PARAMETERS_MAX).map_err(|e| match e {
            PairsError::Malformed => "the parameters cannot be decoded",
            PairsError::TooMany => "too many parameters",
        })
    };
    let mut form = split(head.query())?;
    if !body.is_empty() {
        if !is_form(head) {
            return Err("the body must be application/x-www-form-urlencoded");
        }
        let text = std::str::from_utf8(body).map_err(|_| "the parameters cannot be decoded")?;
        form.extend(split(text)?);
    }
    let mut names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|two| two.first() == two.last()) {
        return Err("a parameter occurs twice");
    }
    Ok(form)
}

fn is_form(head: &Head) -> bool {
    head.media_type().is_some_and(|found| found == FORM)
}

fn has_action(query: &str) -> bool {
    query.split('&').any(|part| part.starts_with("Action="))
}

fn error(protocol: Protocol, kind: WireErrorKind) -> WireError {
    WireError { dialect: Dialect::from(protocol), kind, op: None }
}

/// At most this many characters of what was asked for are repeated, without control characters.
const ECHOED_MAX: usize = 128;

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(ECHOED_MAX).collect()
}

const TARGET: &str = "x-amz-target";
/// Source: the vendor's SDKs send the first two; some browser libraries the third.
const JSON_TYPES: [&str; 3] =
    ["application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/json"];
/// Source: no operation takes more than a few hundred parameters; the number bounds work, not use.
pub(crate) const PARAMETERS_MAX: usize = 10_000;
