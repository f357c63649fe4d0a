//! Why the engine decides as it does, and the least that would change it.
//!
//! Nothing here decides anything. The verdict is [`decide`]'s; what single elements of a statement say is asked of the
//! engine by giving it a statement of that one element ([`probe`]); a change is only proposed once the engine has allowed
//! the request with it ([`change`]). So an explanation cannot disagree with the decision it explains.
//!
//! Refuses to know services, and who may see an explanation.

mod change;
mod draft;
mod escape;
mod grant;
mod lift;
mod near;
mod probe;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    Decision, Decisive, Effect3, Layer, Layers, NamedPolicy, Request, ResourceRule, Verdict, decide, evaluate,
};

/// Why, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What [`decide`] says.
    pub decision: Decision,
    /// Each layer that there is, in the order of evaluation.
    pub layers: Vec<LayerSaid>,
    /// What would allow the request; `None` where it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

/// What one layer (one level of it, for the organisation's) said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSaid {
    /// Which.
    pub layer: Layer,
    /// From the organisation's root, from 0; only for its layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// How many policies it has.
    pub policies: usize,
    /// What it said.
    pub said: Said,
    /// Whether the request is refused for this layer: it denies, or an Allow is wanted here and missing.
    pub refuses: bool,
    /// For a denial the elements that made it apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Element>,
    /// For a layer that does not allow: the statements that came nearest, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<Near>,
}

/// Allowed, denied, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// This statement allows.
    Allows(Decisive),
    /// This statement denies.
    Denies(Decisive),
    /// No statement applies.
    Nothing,
}

/// An Allow statement that did not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// Which.
    pub statement: Decisive,
    /// The elements that did not hold, as written; the first is what the engine failed on.
    pub failed: Vec<Element>,
    /// How many elements did.
    pub held: usize,
}

/// One element of a statement against the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// `Principal`, `Action`, `Resource`, one of their inverses, or `Condition`.
    pub name: String,
    /// The operator of a condition, e.g. `StringEquals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The key of a condition, as the policy spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The policy's side.
    pub policy: Json,
    /// The request's side.
    pub request: RequestValue,
    /// Whether it holds.
    pub holds: Holds,
    /// The policy variables on the policy's side and what they are in this request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
}

/// Three-valued: what cannot be told never allows and always denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// Certainly not.
    No,
    /// Cannot be told.
    Unknown,
    /// Certainly.
    Yes,
}

/// What the request has where the policy looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestValue {
    /// The request has no such key.
    Absent,
    /// The platform cannot tell.
    Unknown,
    /// One value.
    One(String),
    /// The values of a multi-valued key.
    Many(Vec<String>),
}

/// A policy variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// In lower case.
    pub key: String,
    /// Its value in this request.
    pub value: RequestValue,
}

/// What would allow the request. Each change answers a refusal that is left after those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Whether the request is allowed once all are made. `false`: no change of these policies was found that allows it.
    pub complete: bool,
    /// In the order in which they were found.
    pub changes: Vec<Change>,
}

/// A change of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The policy's layer.
    pub layer: Layer,
    /// Its level there, for the organisation's layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// Its name; `None` for one that does not exist yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What to do.
    pub edit: Edit,
    /// In what way it allows more than this request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The whole document afterwards, with all changes to it so far; `None` if nothing is left of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Json>,
}

/// An edit of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// A statement is added.
    Add {
        /// The new statement.
        statement: Json,
    },
    /// An element of a statement is replaced.
    Replace {
        /// The statement's position in the document as it is now, from 0.
        statement: usize,
        /// Its `Sid`.
        sid: Option<String>,
        /// E.g. `Action`, or `Condition.StringEquals.aws:PrincipalTag/team`.
        element: String,
        /// As it is.
        before: Json,
        /// As it should be.
        after: Json,
    },
    /// A statement is removed.
    Remove {
        /// The statement's position in the document as it is now, from 0.
        statement: usize,
        /// Its `Sid`.
        sid: Option<String>,
        /// The statement.
        before: Json,
    },
}

/// Statements shown for a layer that does not allow. Ours.
const NEAREST_MAX: usize = 3;

/// Explains what [`decide`] says of a request.
pub fn explain(layers: &Layers<'_>, request: &Request<'_>) -> Explanation {
    let decision = decide(layers, request);
    let changes = (decision.verdict != Verdict::Allow).then(|| change::find(layers, request));
    let mut said: Vec<LayerSaid> = present(layers, request)
        .into_iter()
        .map(|(layer, level, policies)| of_layer(layer, level, policies, layers.boundary.is_some(), request))
        .collect();
    if let Some(changes) = &changes {
        for layer in &mut said {
            layer.refuses = matches!(layer.said, Said::Denies(_))
                || changes.changes.iter().any(|c| c.layer == layer.layer && c.level == layer.level);
        }
    }
    settle(&mut said, &decision);
    Explanation { decision, layers: said, changes }
}

/// The decision's own layer says what the decision says.
fn settle(said: &mut [LayerSaid], decision: &Decision) {
    let because = &decision.because;
    match (decision.verdict, &because.decisive) {
        (Verdict::Allow, Some(decisive)) => {
            if let Some(layer) = said.iter_mut().find(|said| said.layer == because.layer) {
                layer.said = Said::Allows(decisive.clone());
                layer.nearest.clear();
            }
        }
        (Verdict::ImplicitDeny, _) => {
            if !said.iter().any(|said| said.layer == because.layer && said.refuses)
                && let Some(layer) = said.iter_mut().find(|said| said.layer == because.layer)
            {
                layer.refuses = true;
            }
        }
        (Verdict::Allow | Verdict::ExplicitDeny, _) => {}
    }
}

type Present<'a> = (Layer, Option<usize>, &'a [NamedPolicy]);

/// The layers that there are, in the order in which they are evaluated.
fn present<'a>(layers: &Layers<'a>, request: &Request<'_>) -> Vec<Present<'a>> {
    let mut all: Vec<Present<'a>> = Vec::new();
    let levels = |layer: Layer, levels: &'a [Vec<NamedPolicy>]| {
        levels.iter().enumerate().map(move |(at, policies)| (layer, Some(at), policies.as_slice()))
    };
    let of_account = request.principal.account().is_some();
    all.extend(levels(Layer::ResourceControl, layers.resource_control));
    if of_account {
        all.extend(levels(Layer::ServiceControl, layers.service_control));
    }
    all.extend(layers.vpc_endpoint.map(|policies| (Layer::VpcEndpoint, None, policies)));
    all.push((layers.resource_layer(), None, layers.resource.map_or(&[], std::slice::from_ref)));
    if of_account || !layers.identity.is_empty() || layers.resource_rule == ResourceRule::Both {
        all.push((Layer::Identity, None, layers.identity));
    }
    all.extend(layers.boundary.map(|policies| (Layer::Boundary, None, policies)));
    all.extend(layers.session.map(|policies| (Layer::Session, None, policies)));
    all
}

fn of_layer(
    layer: Layer,
    level: Option<usize>,
    policies: &[NamedPolicy],
    bounded: bool,
    request: &Request<'_>,
) -> LayerSaid {
    let mut made = LayerSaid {
        layer,
        level,
        policies: policies.len(),
        said: Said::Nothing,
        refuses: false,
        because: Vec::new(),
        nearest: Vec::new(),
    };
    let denial = policies.iter().find_map(|named| Some((named, probe::denial(named, bounded, request)?)));
    if let Some((named, decisive)) = denial {
        made.because = near::because(named, decisive.statement, bounded, request);
        made.said = Said::Denies(decisive);
        return made;
    }
    let grant = policies.iter().find_map(|named| match evaluate(&named.policy, request) {
        Effect3::Allow(statement) => Some(Decisive {
            policy: named.name.clone(),
            sid: statement.sid.map(Into::into),
            statement: statement.index,
        }),
        Effect3::Deny(_) | Effect3::None => None,
    });
    match grant {
        Some(decisive) => made.said = Said::Allows(decisive),
        None => made.nearest = near::nearest(policies, bounded, request),
    }
    made
}
