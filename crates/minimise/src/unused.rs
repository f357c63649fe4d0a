//! What the current policies grant and nobody was seen using.

use serde::Serialize;

use crate::{
    Error,
    contain::action_within,
    document::Document,
    engine::{Answer, Replay},
    narrow::{Draft, concerns_action},
    recorded::{Body, Recorded},
};

/// A statement, or part of one, that was not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unused {
    /// The policy.
    pub policy: String,
    /// The statement's name.
    pub sid: Option<String>,
    /// Its position, from 0.
    pub statement: usize,
    /// The actions, as written; all of them if the whole statement was not used.
    pub actions: Vec<String>,
    /// Nothing of the statement was used.
    pub whole: bool,
}

/// Looks for unused permissions.
pub(crate) fn unused(
    draft: &Draft<'_>,
    recorded: &Recorded,
    current: &[Document],
) -> Result<Vec<Unused>, Error> {
    let mut found = Vec::new();
    for document in current {
        for (at, statement) in document.statements.iter().enumerate().filter(|(_, s)| s.allows) {
            let replay = Replay::of(std::slice::from_ref(statement))?;
            let exact = draft.granted.iter().filter(|g| replay.ask(g.action, g.exact) == Answer::Allowed);
            let general = recorded.entries.iter().filter(|entry| {
                matches!(entry.body, Body::General(_)) && concerns_action(&statement.actions, &entry.action)
            });
            let used: Vec<&str> =
                exact.map(|g| g.action).chain(general.map(|entry| entry.action.as_str())).collect();
            let never = |pattern: &&String| {
                !statement.actions.inverted && !used.iter().any(|action| action_within(action, pattern))
            };
            let whole = used.is_empty();
            let actions: Vec<String> = if whole {
                statement.actions.patterns.clone()
            } else {
                statement.actions.patterns.iter().filter(never).cloned().collect()
            };
            if whole || !actions.is_empty() {
                found.push(Unused {
                    policy: document.name.clone(),
                    sid: statement.sid.clone(),
                    statement: at,
                    actions,
                    whole,
                });
            }
        }
    }
    Ok(found)
}
