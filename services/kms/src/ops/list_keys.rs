//! `ListKeys`: the account's keys.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Kms,
    api::{Error, KeyListEntry, ListKeys, ListKeysInput, ListKeysOutput},
    asks::own,
    page,
    rows::{KeyRow, Place},
};

/// Default page.
// AWS: API reference.
const PAGE: usize = 100;

impl Operation<ListKeys> for Kms {
    fn access(&self, _input: &ListKeysInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![own(Ask::on_any("kms:ListKeys"), caller)]))
    }

    async fn run(&self, call: Call<ListKeys>) -> Result<ListKeysOutput, Error> {
        let now = call.now();
        let found = self.env.store.read(|tx| {
            let (prefix, mut after, mut found) = (Key::of(call.scope()), None, Vec::new());
            loop {
                let read: Vec<(Key, KeyRow)> = tx.scan(&prefix, after.as_ref(), READ)?;
                after = read.last().map(|(key, _)| key.clone());
                let last = read.len() < READ;
                let there = read.into_iter().filter(|(_, row)| !row.state.is_over(now));
                found.extend(there.filter_map(|(key, _)| key.text_at(0)));
                if last {
                    return Ok::<_, Error>(found);
                }
            }
        })?;
        let (page, next) = page::cut(found, |id| id, call.input.limit, PAGE, call.input.marker.as_ref())?;
        let entry = |id: String| {
            let place = Place { scope: call.scope().clone(), id };
            KeyListEntry { key_arn: Some(place.arn().as_str().to_owned()), key_id: Some(place.id) }
        };
        Ok(ListKeysOutput {
            keys: Some(page.into_iter().map(entry).collect()),
            truncated: Some(next.is_some()),
            next_marker: next,
        })
    }
}

/// Rows read at a time.
const READ: usize = 500;
