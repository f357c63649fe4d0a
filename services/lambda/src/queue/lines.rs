//! Waiting rows as lines: one of each function, in the order its events are due.
//!
//! Keys begin with the function, so that what is due of each is found however many rows there are of the others.

use std::collections::VecDeque;

use casemate_names::{Arn, Timestamp};
use casemate_store::{Key, ReadTx, StoreError, WriteTx};

use super::{Waiting, turns::Turns};
use crate::{function::Function, ready, resource::FunctionRef};

/// Functions looked at and keys read of each, at one look. Ours: the next look goes on where one ended.
const FUNCTIONS_PER_LOOK: usize = 1_024;
const KEYS_PER_LINE: usize = 64;

/// What is due of one function and may begin.
#[derive(Debug)]
pub(super) struct Line {
    /// Without version.
    pub(super) function: Arn,
    /// How many of its events may run at once.
    pub(super) most: usize,
    pub(super) due: VecDeque<Key>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) lines: Vec<Line>,
    /// Behind which function it ended; `None`: all were looked at.
    pub(super) end: Option<Key>,
    /// Whether a function has more due than was read.
    pub(super) is_cut: bool,
}

/// The row of an event that is due then. `None`: it is for what is no function.
pub(super) fn key(due: Timestamp, waiting: &Waiting) -> Option<Key> {
    let function = FunctionRef::of_arn(&waiting.function)?.arn();
    let due = u64::try_from(due.millis()).unwrap_or_default();
    Some(line(&function).number(due).text(&waiting.request_id))
}

fn line(function: &Arn) -> Key {
    Key::global().text(function.as_str())
}

/// Behind all rows of a function.
pub(super) fn end(function: &Arn) -> Key {
    line(function).number(u64::MAX)
}

/// Looks for what is due, one function after another; those behind `from` first, then the others.
pub(super) fn look(
    tx: &ReadTx<'_>,
    turns: &Turns,
    (environments, of_one): (usize, usize),
    now: Timestamp,
    from: Option<&Key>,
) -> Result<Look, StoreError> {
    let mut look = Look { lines: Vec::new(), end: None, is_cut: false };
    let (mut after, mut turned) = (from.cloned(), from.is_none());
    for _ in 0..FUNCTIONS_PER_LOOK {
        let first = tx.keys::<Waiting>(&Key::global(), after.as_ref(), 1)?.pop();
        let function = first.as_ref().and_then(|key| key.text_at(0)).and_then(|text| Arn::parse(&text).ok());
        let (Some(first), Some(function)) = (first, function) else {
            if turned {
                return Ok(look);
            }
            (after, turned) = (None, true);
            continue;
        };
        let end = end(&function);
        if turned && from.is_some_and(|from| end > *from) {
            return Ok(look);
        }
        // Where the first is not, none is.
        if is_due(&first, now) {
            let most = most(tx, &function, of_one);
            let room = turns.left(&function, environments, most);
            let due = if room == 0 { VecDeque::new() } else { due(tx, turns, &function, now)? };
            look.is_cut |= due.len() == KEYS_PER_LINE;
            if !due.is_empty() {
                look.lines.push(Line { function, most, due });
            }
        }
        after = Some(end);
    }
    look.end = after;
    Ok(look)
}

/// The first that are due and do not run.
fn due(tx: &ReadTx<'_>, turns: &Turns, function: &Arn, now: Timestamp) -> Result<VecDeque<Key>, StoreError> {
    let (line, mut after, mut due) = (line(function), None, VecDeque::new());
    loop {
        let keys = tx.keys::<Waiting>(&line, after.as_ref(), KEYS_PER_LINE)?;
        let Some(last) = keys.last().cloned() else { return Ok(due) };
        for key in keys {
            if due.len() == KEYS_PER_LINE || !is_due(&key, now) {
                return Ok(due);
            }
            if !turns.runs(function, &key) {
                due.push_back(key);
            }
        }
        after = Some(last);
    }
}

fn is_due(key: &Key, now: Timestamp) -> bool {
    let at = key.number_at(1).and_then(|ms| i64::try_from(ms).ok()).map(Timestamp::from_millis);
    at.is_some_and(|at| at <= now)
}

/// How many events of a function may run at once: what it has reserved, and what could have an environment.
fn most(tx: &ReadTx<'_>, function: &Arn, of_one: usize) -> usize {
    // One that cannot be read, or is gone, has its events looked at one by one.
    let found = FunctionRef::of_arn(function).and_then(|at| tx.get::<Function>(&at.key()).ok().flatten());
    let Some(found) = found else { return 1 };
    let room = of_one / ready::places_of(&found).max(1);
    found.reserved.map_or(room, |reserved| room.min(reserved)).max(1)
}

/// Brings rows from before lines, which began with the time, into theirs.
pub(super) fn move_old_rows(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let all = tx.keys::<Waiting>(&Key::global(), None, usize::MAX)?;
    for (from, due) in all.iter().filter_map(|key| Some((key, key.number_at(0)?))) {
        // One that cannot be read stays: nothing that was accepted is dropped for it.
        let Ok(Some(waiting)) = tx.get::<Waiting>(from) else { continue };
        let due = Timestamp::from_millis(i64::try_from(due).unwrap_or_default());
        if let Some(to) = key(due, &waiting) {
            tx.put(&to, &waiting)?;
            tx.delete::<Waiting>(from)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_names::NamedEntropy;
    use casemate_store::Store;

    use super::*;

    const PLACES: (usize, usize) = (64, 56);

    fn waiting(name: &str, id: usize) -> Waiting {
        Waiting {
            function: Arn::parse(&format!("arn:aws:lambda:us-east-1:123456789012:function:{name}")).unwrap(),
            request_id: format!("id-{id}"),
            payload: b"{}".to_vec(),
            queued_at: Timestamp::from_millis(0),
            failures: 0,
            delays: 0,
            principal: None,
            trace: String::new(),
            creation_id: String::new(),
            is_loop: false,
        }
    }

    fn store(rows: &[(i64, Waiting)]) -> Store {
        let (store, rows) = (Store::in_memory(Arc::new(NamedEntropy::seeded(1))), rows.to_vec());
        store
            .write_blocking(move |tx| {
                for (due, waiting) in &rows {
                    tx.put(&key(Timestamp::from_millis(*due), waiting).unwrap(), waiting)?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        store
    }

    fn at(store: &Store, turns: &Turns, now: i64, from: Option<&Key>) -> Look {
        store.read(|tx| look(tx, turns, PLACES, Timestamp::from_millis(now), from)).unwrap()
    }

    fn names(look: &Look) -> Vec<&str> {
        look.lines.iter().map(|line| line.function.resource()).collect()
    }

    #[test]
    fn what_is_due_of_one_function_hides_behind_no_other_however_much_waits() {
        let mut rows: Vec<_> = (0..5_000).map(|id| (0, waiting("flood", id))).collect();
        // A version waits in its function's line.
        rows.push((7, waiting("quiet:1", 5_000)));
        let (store, turns) = (store(&rows), Turns::default());
        let found = at(&store, &turns, 7, None);
        assert_eq!(names(&found), ["function:flood", "function:quiet"]);
        assert_eq!((found.lines[0].due.len(), found.lines[1].due.len(), found.is_cut), (64, 1, true));
        assert_eq!(names(&at(&store, &turns, 6, None)), ["function:flood"]);
    }

    #[test]
    fn who_had_a_turn_comes_last_and_who_has_no_place_not_at_all() {
        let rows: Vec<_> =
            ["a", "b", "c"].into_iter().flat_map(|name| (0..3).map(move |id| (id, name))).collect();
        let rows: Vec<_> =
            rows.into_iter().map(|(id, name)| (id, waiting(name, usize::try_from(id).unwrap()))).collect();
        let (store, mut turns) = (store(&rows), Turns::default());
        let found = at(&store, &turns, 9, None);
        let (b, first) = (&found.lines[1].function, &found.lines[1].due[0]);
        assert!(turns.take(b, first, 64, 56));
        let found = at(&store, &turns, 9, Some(&end(b)));
        // What is gone, as these functions, runs one at a time.
        assert_eq!(names(&found), ["function:c", "function:a"]);
        turns.give_back(b, first);
        assert_eq!(names(&at(&store, &turns, 9, Some(&end(b)))), ["function:c", "function:a", "function:b"]);
    }

    #[test]
    fn rows_from_before_lines_are_moved_and_none_is_lost() {
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        store
            .write_blocking(|tx| {
                let old = |id: usize| Key::global().number(5).text(&format!("id-{id}")).text("123456789012");
                for id in 0..3 {
                    tx.put(&old(id), &waiting("f", id))?;
                }
                move_old_rows(tx)?;
                move_old_rows(tx)
            })
            .unwrap();
        let found = at(&store, &Turns::default(), 5, None);
        assert_eq!((found.lines.len(), found.lines[0].due.len()), (1, 3));
        assert!(at(&store, &Turns::default(), 4, None).lines.is_empty());
    }
}
