//! From narrowed statements to documents that can be stored: nothing superfluous, names, sizes.

use std::collections::BTreeSet;

use crate::{
    Error,
    certify::{covered, touches},
    document::{Document, Selection, Statement, document},
    engine::{Answer, Replay},
    narrow::Draft,
};

/// Characters of a managed policy, white space not counted.
// AWS: IAM quotas, "Managed policy document size": 6,144 characters.
pub const DOCUMENT_CHARS_MAX: usize = 6_144;
/// Actions whose names make up a statement's name.
const NAMED_ACTIONS_MAX: usize = 3;

/// Drops statements that nothing recorded needs, later ones first.
pub(crate) fn prune(draft: &mut Draft<'_>) -> Result<(), Error> {
    let replays: Vec<Replay> = draft
        .statements
        .iter()
        .map(|statement| Replay::of(std::slice::from_ref(statement)))
        .collect::<Result<_, _>>()?;
    let by: Vec<BTreeSet<usize>> = draft
        .granted
        .iter()
        .map(|g| {
            let allowed =
                replays.iter().enumerate().filter(|(_, r)| r.ask(g.action, g.exact) == Answer::Allowed);
            allowed.map(|(at, _)| at).collect()
        })
        .collect();
    let mut kept: BTreeSet<usize> = (0..draft.statements.len()).collect();
    for at in (0..draft.statements.len()).rev() {
        let still =
            |allowed: &BTreeSet<usize>| allowed.iter().any(|other| *other != at && kept.contains(other));
        let others: Vec<Statement> = draft
            .statements
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at && kept.contains(other))
            .map(|(_, statement)| statement.clone())
            .collect();
        let rest_covered = draft.obligations.iter().all(|obligation| covered(obligation, &others));
        if rest_covered && by.iter().all(still) {
            kept.remove(&at);
        }
    }
    let mut at = 0;
    draft.statements.retain(|_| {
        at += 1;
        kept.contains(&(at - 1))
    });
    Ok(())
}

/// Adds the denials of the current documents that concern what is allowed, and cuts all into documents.
pub(crate) fn documents(draft: &Draft<'_>, current: &[Document]) -> Result<Vec<Document>, Error> {
    let mut statements = draft.statements.clone();
    let denies = current.iter().flat_map(|document| &document.statements).filter(|s| !s.allows);
    let mut kept: Vec<Statement> = Vec::new();
    for deny in denies.filter(|deny| draft.statements.iter().any(|allow| touches(deny, allow))) {
        let deny = Statement { sid: None, ..deny.clone() };
        if !kept.contains(&deny) {
            kept.push(deny);
        }
    }
    statements.extend(kept);
    let mut small = Vec::new();
    for statement in statements {
        halve(statement, &mut small)?;
    }
    name(&mut small);
    let mut documents: Vec<Vec<Statement>> = Vec::new();
    for statement in small {
        let fits = documents.last().is_some_and(|last: &Vec<Statement>| {
            let mut more = last.clone();
            more.push(statement.clone());
            chars(&more) <= DOCUMENT_CHARS_MAX
        });
        match documents.last_mut().filter(|_| fits) {
            Some(last) => last.push(statement),
            None => documents.push(vec![statement]),
        }
    }
    let single = documents.len() == 1;
    let named = documents.into_iter().enumerate().map(|(at, statements)| {
        let name = if single { "minimal".to_owned() } else { format!("minimal-{}", at + 1) };
        Document { name, statements }
    });
    Ok(named.collect())
}

/// Cuts a statement that is too long for any document.
fn halve(statement: Statement, into: &mut Vec<Statement>) -> Result<(), Error> {
    // Room for the name, which is given afterwards.
    if chars(std::slice::from_ref(&statement)) + NAME_CHARS_MAX + 9 <= DOCUMENT_CHARS_MAX {
        into.push(statement);
        return Ok(());
    }
    let cut = |selection: &Selection| {
        let (a, b) = selection.patterns.split_at(selection.patterns.len() / 2);
        [a, b].map(|half| Selection { patterns: half.to_vec(), inverted: selection.inverted })
    };
    let divisible = |selection: &Selection| selection.patterns.len() > 1 && !selection.inverted;
    if divisible(&statement.resources) {
        for resources in cut(&statement.resources) {
            halve(Statement { resources, ..statement.clone() }, into)?;
        }
    } else if divisible(&statement.actions) {
        for actions in cut(&statement.actions) {
            halve(Statement { actions, ..statement.clone() }, into)?;
        }
    } else {
        let action = statement.actions.patterns.first().cloned().unwrap_or_default();
        return Err(Error::TooLarge(action));
    }
    Ok(())
}

/// Characters as AWS counts them. White space within values is counted here too: that errs to the safe side.
fn chars(statements: &[Statement]) -> usize {
    document(statements).to_string().chars().count()
}

/// Longest name of a statement made here.
const NAME_CHARS_MAX: usize = 80;

/// Names statements after what they allow: `DynamodbGetItemQuery`, `DynamodbBatchGetItemAnd5More`.
fn name(statements: &mut [Statement]) {
    let mut taken = BTreeSet::new();
    for statement in statements {
        let mut words = Vec::new();
        let mut service = "";
        for action in statement.actions.patterns.iter().take(NAMED_ACTIONS_MAX) {
            let (of, name) = action.split_once(':').unwrap_or(("", action));
            if of != service {
                service = of;
                words.push(capital(of));
            }
            words.push(name.to_owned());
        }
        let more = statement.actions.patterns.len().saturating_sub(NAMED_ACTIONS_MAX);
        if more > 0 {
            words.push(format!("And{more}More"));
        }
        let effect = if statement.allows { "" } else { "Deny" };
        let plain: String = words.concat().chars().filter(char::is_ascii_alphanumeric).collect();
        let plain: String = format!("{effect}{plain}").chars().take(NAME_CHARS_MAX - 4).collect();
        let numbered = (2..).map(|n| format!("{plain}{n}"));
        let sid = std::iter::once(plain.clone()).chain(numbered).find(|sid| !taken.contains(sid));
        taken.extend(sid.clone());
        statement.sid = sid;
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}
