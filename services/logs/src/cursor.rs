//! Events in order: the batches of one stream merged by time, and the streams of a group merged with each other.
//!
//! Batches are found by the time of their first event; one may reach into the time of those after it, but never further
//! than the stream's longest batch. So an event is next as soon as no unread batch can hold an earlier one.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use casemate_names::Timestamp;
use casemate_store::{Key, Order, ReadTx, StoreError};

use crate::{
    position::Position,
    rows::{Batch, Stream, millis},
};

/// Batches read at a time.
const BATCHES_READ: usize = 8;

/// An event on its way to a reader.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) position: Position,
    pub(crate) message: String,
    pub(crate) ingested_at: Timestamp,
    pub(crate) stream: Arc<str>,
}

/// What a reader wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// First timestamp, milliseconds.
    pub(crate) from: u64,
    /// First timestamp that is too late.
    pub(crate) until: u64,
    /// Only what comes beyond this position, in the direction of `order`.
    pub(crate) beyond: Option<Position>,
    /// Earliest or latest first.
    pub(crate) order: Order,
}

/// The events of one stream.
pub(crate) struct Cursor<'t> {
    tx: &'t ReadTx<'t>,
    batches: Key,
    stream: u64,
    name: Arc<str>,
    reach: u64,
    span: Span,
    /// Key of the last batch read.
    at: Option<Key>,
    exhausted: bool,
    ready: BTreeMap<Position, (String, Timestamp)>,
}

impl<'t> Cursor<'t> {
    /// `batches` is the prefix of the stream's batches.
    pub(crate) fn new(tx: &'t ReadTx<'t>, batches: Key, name: &str, stream: &Stream, mut span: Span) -> Self {
        // Positions narrow the time range, so that a later page does not read the earlier ones again.
        match (span.beyond, span.order) {
            (Some(beyond), Order::Ascending) => span.from = span.from.max(beyond.timestamp),
            (Some(beyond), Order::Descending) => {
                span.until = span.until.min(beyond.timestamp.saturating_add(1));
            }
            (None, _) => {}
        }
        Self {
            tx,
            batches,
            stream: stream.number,
            name: Arc::from(name),
            reach: millis(stream.span_ms_max),
            span,
            at: None,
            exhausted: span.from >= span.until,
            ready: BTreeMap::new(),
        }
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, StoreError> {
        while !self.exhausted && !self.settled() {
            self.read_more()?;
        }
        let popped = match self.span.order {
            Order::Ascending => self.ready.pop_first(),
            Order::Descending => self.ready.pop_last(),
        };
        Ok(popped.map(|(position, (message, ingested_at))| Event {
            position,
            message,
            ingested_at,
            stream: Arc::clone(&self.name),
        }))
    }

    /// Whether no unread batch can hold an event that comes before the first ready one.
    fn settled(&self) -> bool {
        let Some(read) = self.at.as_ref().map(first_time) else { return false };
        match self.span.order {
            Order::Ascending => self.ready.first_key_value().is_some_and(|(next, _)| next.timestamp < read),
            Order::Descending => self
                .ready
                .last_key_value()
                .is_some_and(|(next, _)| next.timestamp > read.saturating_add(self.reach)),
        }
    }

    fn read_more(&mut self) -> Result<(), StoreError> {
        let first = self.batches.clone().number(self.span.from.saturating_sub(self.reach));
        let end = self.batches.clone().number(self.span.until);
        let (lower, upper) = match (&self.at, self.span.order) {
            (Some(at), Order::Ascending) => (Bound::Excluded(at), Bound::Excluded(&end)),
            (Some(at), Order::Descending) => (Bound::Included(&first), Bound::Excluded(at)),
            (None, _) => (Bound::Included(&first), Bound::Excluded(&end)),
        };
        let found = self.tx.range::<Batch>(&self.batches, lower, upper, BATCHES_READ, self.span.order)?;
        self.exhausted = found.len() < BATCHES_READ;
        for (key, batch) in found {
            let number = key.number_at(3).unwrap_or_default();
            let events = Arc::try_unwrap(batch.events).unwrap_or_default();
            for (index, (timestamp, message)) in events.into_iter().enumerate() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let position =
                    Position { timestamp: millis(timestamp), stream: self.stream, batch: number, index };
                if self.wanted(position) {
                    self.ready.insert(position, (message, batch.ingested_at));
                }
            }
            self.at = Some(key);
        }
        Ok(())
    }

    fn wanted(&self, position: Position) -> bool {
        let beyond = match (self.span.beyond, self.span.order) {
            (Some(beyond), Order::Ascending) => position > beyond,
            (Some(beyond), Order::Descending) => position < beyond,
            (None, _) => true,
        };
        beyond && (self.span.from..self.span.until).contains(&position.timestamp)
    }
}

/// Time of a batch's first event: the third part of its key.
fn first_time(key: &Key) -> u64 {
    key.number_at(2).unwrap_or_default()
}

/// The events of several streams.
pub(crate) struct Merge<'t> {
    cursors: Vec<Cursor<'t>>,
    heads: BTreeMap<Position, (Event, usize)>,
    order: Order,
}

impl<'t> Merge<'t> {
    pub(crate) fn new(mut cursors: Vec<Cursor<'t>>, order: Order) -> Result<Self, StoreError> {
        let mut heads = BTreeMap::new();
        for (index, cursor) in cursors.iter_mut().enumerate() {
            if let Some(event) = cursor.next()? {
                heads.insert(event.position, (event, index));
            }
        }
        Ok(Self { cursors, heads, order })
    }

    /// The next event of any of the streams.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, StoreError> {
        let head = match self.order {
            Order::Ascending => self.heads.pop_first(),
            Order::Descending => self.heads.pop_last(),
        };
        let Some((_, (event, index))) = head else { return Ok(None) };
        if let Some(following) = self.cursors.get_mut(index).map(Cursor::next).transpose()?.flatten() {
            self.heads.insert(following.position, (following, index));
        }
        Ok(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use casemate_names::{AccountId, NamedEntropy, Region, Scope};
    use casemate_store::Store;
    use proptest::prelude::*;

    use super::*;
    use crate::rows::batches_key;

    fn scope() -> Scope {
        Scope {
            partition: "aws".into(),
            account: AccountId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        }
    }

    /// Per stream its batches, each the timestamps of its events.
    type Batches = Vec<Vec<Vec<u8>>>;

    fn batches() -> impl Strategy<Value = Batches> {
        let batch = prop::collection::vec(0_u8..60, 1..6).prop_map(|mut times| {
            times.sort_unstable();
            times
        });
        prop::collection::vec(prop::collection::vec(batch, 0..25), 1..4)
    }

    fn fill(store: &Store, batches: &Batches) -> (Vec<Stream>, Vec<Position>) {
        let (mut streams, mut positions) = (Vec::new(), Vec::new());
        for (number, batches) in (1_u64..).zip(batches) {
            let spans = batches.iter().map(|times| i64::from(times[times.len() - 1] - times[0]));
            streams.push(Stream {
                number,
                created_at: Timestamp::from_millis(0),
                first_and_last: None,
                ingested_at: None,
                batches_made: 0,
                span_ms_max: spans.max().unwrap_or(0),
            });
            for (batch, times) in (1_u64..).zip(batches) {
                let events: Vec<_> =
                    times.iter().map(|time| (i64::from(*time), format!("{number}/{batch}"))).collect();
                let row = Batch { ingested_at: Timestamp::from_millis(1), events: Arc::new(events) };
                let key = batches_key(&scope(), "g", number).number(times[0].into()).number(batch);
                store.write_blocking(move |tx| tx.put(&key, &row)).unwrap();
                positions.extend((0_u32..).zip(times).map(|(index, time)| Position {
                    timestamp: (*time).into(),
                    stream: number,
                    batch,
                    index,
                }));
            }
        }
        positions.sort_unstable();
        (streams, positions)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn merged_events_are_those_of_a_sorted_list(
            batches in batches(),
            (from, until) in (0_u64..70, 0_u64..70),
            descending: bool,
            resume: Option<prop::sample::Index>,
        ) {
            let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
            let (streams, positions) = fill(&store, &batches);
            let order = if descending { Order::Descending } else { Order::Ascending };
            let beyond = resume.filter(|_| !positions.is_empty()).map(|index| *index.get(&positions));
            let span = Span { from, until, beyond, order };
            let mut expected: Vec<_> = positions
                .into_iter()
                .filter(|at| (from..until).contains(&at.timestamp))
                .filter(|at| beyond.is_none_or(|beyond| if descending { *at < beyond } else { *at > beyond }))
                .collect();
            if descending {
                expected.reverse();
            }
            let found = store
                .read(|tx| {
                    let cursor = |stream: &Stream| Cursor::new(tx, batches_key(&scope(), "g", stream.number), "s", stream, span);
                    let mut merge = Merge::new(streams.iter().map(cursor).collect(), order)?;
                    let mut found = Vec::new();
                    while let Some(event) = merge.next()? {
                        found.push(event.position);
                    }
                    Ok::<_, StoreError>(found)
                })
                .unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
