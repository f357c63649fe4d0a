//! The policies of a request as drafts that can be changed and weighed again.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::{Change, Edit, Present, near, present};
use crate::{Decision, Kind, Layer, Layers, Name, NamedPolicy, Policy, Request, decide};

/// One policy, changeable.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) layer: Layer,
    pub(super) level: Option<usize>,
    /// `None` for a policy that does not exist yet.
    pub(super) name: Option<Name>,
    kind: Kind,
    /// The document without its statements.
    rest: Map<String, Json>,
    /// Each with its position in the document as it is now; `None` for new ones.
    pub(super) statements: Vec<(Option<usize>, Json)>,
    /// `None` while there are no statements.
    pub(super) compiled: Option<NamedPolicy>,
}

/// A change of one draft.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) draft: usize,
    /// The place in the draft's statements; `None` adds one.
    pub(super) at: Option<usize>,
    /// What is there afterwards; `None` removes it.
    pub(super) made: Option<Json>,
    pub(super) edit: Edit,
    pub(super) warnings: Vec<String>,
}

/// All policies of a request.
#[derive(Clone)]
pub(super) struct Drafts<'a> {
    layers: &'a Layers<'a>,
    pub(super) all: Vec<Draft>,
}

impl Draft {
    fn of(layer: Layer, level: Option<usize>, named: &NamedPolicy) -> Self {
        let document = near::document(named);
        let statements = near::statements(&document)
            .into_iter()
            .enumerate()
            .map(|(at, fields)| (Some(at), Json::Object(fields.clone())))
            .collect();
        let mut rest = document.as_object().cloned().unwrap_or_default();
        rest.remove("Statement");
        Self {
            layer,
            level,
            name: Some(named.name.clone()),
            kind: named.policy.kind(),
            rest,
            statements,
            compiled: Some(named.clone()),
        }
    }

    /// A policy yet to be written.
    fn new(layer: Layer, level: Option<usize>, action: &str) -> Self {
        let kind = match layer {
            Layer::Identity | Layer::Root => Kind::Identity,
            Layer::Resource | Layer::VpcEndpoint | Layer::Grant => Kind::Resource,
            // Keys are governed as roles are, by policies that are not about assuming.
            Layer::Trust if !is_trust_action(action) => Kind::Resource,
            Layer::Trust => Kind::Trust,
            Layer::Boundary => Kind::Boundary,
            Layer::Session => Kind::Session,
            Layer::ServiceControl => Kind::ServiceControl,
            Layer::ResourceControl => Kind::ResourceControl,
        };
        let mut rest = Map::new();
        rest.insert("Version".to_owned(), json!("2012-10-17"));
        Self { layer, level, name: None, kind, rest, statements: Vec::new(), compiled: None }
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.rest.get("Version").and_then(Json::as_str)
    }

    /// Whether statements say for whom they are.
    pub(super) fn has_principals(&self) -> bool {
        matches!(self.kind, Kind::Resource | Kind::Trust | Kind::ResourceControl)
    }

    pub(super) fn has_resources(&self) -> bool {
        self.kind != Kind::Trust
    }

    pub(super) fn document(&self) -> Option<Json> {
        if self.statements.is_empty() {
            return None;
        }
        let mut document = self.rest.clone();
        let statements = self.statements.iter().map(|(_, statement)| statement.clone()).collect();
        document.insert("Statement".to_owned(), Json::Array(statements));
        Some(Json::Object(document))
    }

    /// `false`: the grammar refuses it.
    fn compile(&mut self) -> bool {
        self.compiled = match self.document() {
            None => None,
            Some(document) => match Policy::parse(&document.to_string(), self.kind) {
                Ok(policy) => Some(NamedPolicy {
                    name: self.name.clone().unwrap_or_default(),
                    policy: Arc::new(policy),
                }),
                Err(_) => return false,
            },
        };
        true
    }
}

impl<'a> Drafts<'a> {
    pub(super) fn of(layers: &'a Layers<'a>, request: &Request<'_>) -> Self {
        let each = |(layer, level, policies): Present<'a>| {
            policies.iter().map(move |named| Draft::of(layer, level, named))
        };
        Self { layers, all: present(layers, request).into_iter().flat_map(each).collect() }
    }

    pub(super) fn bounded(&self) -> bool {
        self.layers.boundary.is_some()
    }

    pub(super) fn levels(&self) -> usize {
        self.layers.service_control.len()
    }

    /// The drafts of a layer with their positions.
    pub(super) fn within(&self, layer: Layer, level: Option<usize>) -> impl Iterator<Item = (usize, &Draft)> {
        let here = move |draft: &Draft| draft.layer == layer && draft.level == level;
        self.all.iter().enumerate().filter(move |(_, draft)| here(draft))
    }

    /// The first draft of a layer, or a new one.
    pub(super) fn somewhere(&mut self, layer: Layer, level: Option<usize>, action: &str) -> usize {
        if let Some((at, _)) = self.within(layer, level).next() {
            return at;
        }
        self.all.push(Draft::new(layer, level, action));
        self.all.len() - 1
    }

    /// What the engine says with the drafts in force.
    pub(super) fn decide(&self, request: &Request<'_>) -> Decision {
        let of = |layer: Layer, level: Option<usize>| -> Vec<NamedPolicy> {
            self.within(layer, level).filter_map(|(_, draft)| draft.compiled.clone()).collect()
        };
        let levels = |layer: Layer, count: usize| -> Vec<Vec<NamedPolicy>> {
            (0..count).map(|level| of(layer, Some(level))).collect()
        };
        let identity = of(Layer::Identity, None);
        let resource = of(self.layers.resource_layer(), None);
        let boundary = of(Layer::Boundary, None);
        let session = of(Layer::Session, None);
        let service_control = levels(Layer::ServiceControl, self.layers.service_control.len());
        let resource_control = levels(Layer::ResourceControl, self.layers.resource_control.len());
        let layers = Layers {
            identity: &identity,
            resource: resource.first(),
            boundary: self.layers.boundary.map(|_| boundary.as_slice()),
            session: self.layers.session.map(|_| session.as_slice()),
            service_control: &service_control,
            resource_control: &resource_control,
            ..*self.layers
        };
        let mut decision = decide(&layers, request);
        if matches!(decision.because.layer, Layer::Resource | Layer::Trust) {
            // It is called what it was called before anything was drafted.
            decision.because.layer = self.layers.resource_layer();
        }
        decision
    }

    /// The drafts with one more step; `None` if the document would not be legal.
    pub(super) fn with(&self, step: &Step) -> Option<Self> {
        let mut next = self.clone();
        let draft = next.all.get_mut(step.draft)?;
        match (step.at, &step.made) {
            (None, Some(made)) => draft.statements.push((None, made.clone())),
            (Some(at), Some(made)) => draft.statements.get_mut(at)?.1 = made.clone(),
            (Some(at), None) => drop((at < draft.statements.len()).then(|| draft.statements.remove(at))?),
            (None, None) => return None,
        }
        draft.compile().then_some(next)
    }

    /// A step that was taken, for people.
    pub(super) fn describe(&self, step: Step) -> Change {
        let draft = self.all.get(step.draft);
        Change {
            layer: draft.map_or(Layer::Identity, |draft| draft.layer),
            level: draft.and_then(|draft| draft.level),
            policy: draft.and_then(|draft| draft.name.as_deref().map(str::to_owned)),
            edit: step.edit,
            warnings: step.warnings,
            document: draft.and_then(Draft::document),
        }
    }
}

/// Whether a trust policy may speak of the action.
fn is_trust_action(action: &str) -> bool {
    let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": action });
    Policy::parse(&json!({ "Statement": statement }).to_string(), Kind::Trust).is_ok()
}
