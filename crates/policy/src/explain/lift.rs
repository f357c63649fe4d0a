//! The least change that ends a denial: an exception for the request if the statement's form has room for one, else the
//! statement goes.

use serde_json::{Map, Value as Json, json};

use super::{
    Edit, Holds,
    draft::{Draft, Drafts, Step},
    escape::Spelling,
    probe::{self, Probe},
};
use crate::{Decision, Request, outline::one_or_many};

const WIDER: &str = "the denial is lifted for more than this request";

/// The first way of ending the denial that the engine confirms.
pub(super) fn step<'a>(
    drafts: &Drafts<'a>,
    decision: &Decision,
    request: &Request<'_>,
) -> Option<(Drafts<'a>, Step)> {
    let layer = decision.because.layer;
    let denying = |draft: &Draft| {
        let named = draft.compiled.as_ref().filter(|_| draft.layer == layer)?;
        probe::denial(named, drafts.bounded(), request).map(|found| found.statement)
    };
    let (at, (draft, position)) =
        drafts.all.iter().enumerate().find_map(|(at, draft)| Some((at, (draft, denying(draft)?))))?;
    let (original, statement) = draft.statements.get(position)?;
    let probe = Probe { version: draft.version(), bounded: drafts.bounded(), request };
    let exceptions = exceptions(statement.as_object()?, &probe);
    let sid = statement.get("Sid").and_then(Json::as_str).map(str::to_owned);
    let shown = original.unwrap_or(position);
    for exception in exceptions {
        if probe.denies(&exception.made) {
            continue;
        }
        let edit = Edit::Replace {
            statement: shown,
            sid: sid.clone(),
            element: exception.element,
            before: exception.before,
            after: exception.after,
        };
        let made = Some(exception.made);
        let step = Step { draft: at, at: Some(position), made, edit, warnings: exception.warnings };
        if let Some(next) = drafts.with(&step) {
            return Some((next, step));
        }
    }
    let edit = Edit::Remove { statement: shown, sid, before: statement.clone() };
    let step = Step {
        draft: at,
        at: Some(position),
        made: None,
        edit,
        warnings: vec![format!("{WIDER}: all it denies")],
    };
    drafts.with(&step).map(|next| (next, step))
}

struct Exception {
    element: String,
    before: Json,
    after: Json,
    made: Json,
    warnings: Vec<String>,
}

/// Narrowest first.
fn exceptions(statement: &Map<String, Json>, probe: &Probe<'_>) -> Vec<Exception> {
    let spelling = Spelling { variables: probe.version == Some("2012-10-17"), wildcards: true };
    let (resource, exact) = spelling.of(probe.request.resource);
    let action = probe.request.action;
    let mut found = Vec::new();
    let mut except = |from: &str, to: &str, after: Json, warnings: Vec<String>| {
        let Some(before) = statement.get(from) else { return };
        let made: Map<String, Json> =
            statement
                .iter()
                .map(|(name, value)| {
                    if name == from { (to.to_owned(), after.clone()) } else { (name.clone(), value.clone()) }
                })
                .collect();
        let (before, made) = (named(from, before), Json::Object(made));
        found.push(Exception { element: to.to_owned(), before, after: named(to, &after), made, warnings });
    };
    let wider = |text: String| vec![format!("{WIDER}: {text}")];
    let inexact =
        (!exact).then(|| format!("{WIDER}: `{resource}` is a pattern in a document of this version"));
    if probe.request.resource != "*" {
        let others = if is_one(statement.get("Action"), action) {
            Vec::new()
        } else {
            wider("every action of the statement on this resource".to_owned())
        };
        let warnings: Vec<String> = inexact.into_iter().chain(others).collect();
        if let Some(listed) = statement.get("NotResource") {
            except("NotResource", "NotResource", with(listed, &resource), warnings);
        } else if is_one(statement.get("Resource"), "*") {
            except("Resource", "NotResource", json!([resource]), warnings);
        }
    }
    if let Some(listed) = statement.get("NotAction") {
        except(
            "NotAction",
            "NotAction",
            with(listed, action),
            wider("this action on every resource".to_owned()),
        );
    } else if is_one(statement.get("Action"), "*") {
        except("Action", "NotAction", json!([action]), wider("this action on every resource".to_owned()));
    }
    for name in ["Action", "Resource"] {
        let patterns = one_or_many(statement.get(name));
        let kept: Vec<Json> =
            patterns.iter().filter(|pattern| probe.element(name, pattern) == Holds::No).cloned().collect();
        if !kept.is_empty() && kept.len() < patterns.len() {
            let gone: Vec<String> =
                patterns.iter().filter(|pattern| !kept.contains(pattern)).map(ToString::to_string).collect();
            except(
                name,
                name,
                Json::Array(kept),
                wider(format!("everything that {} matches", gone.join(", "))),
            );
        }
    }
    found
}

/// Shown with its name where the name changes.
fn named(name: &str, value: &Json) -> Json {
    json!({ name: value })
}

pub(super) fn with(listed: &Json, one: &str) -> Json {
    let mut all = one_or_many(Some(listed)).to_vec();
    all.push(json!(one));
    Json::Array(all)
}

fn is_one(element: Option<&Json>, text: &str) -> bool {
    matches!(one_or_many(element), [Json::String(one)] if one == text)
}
