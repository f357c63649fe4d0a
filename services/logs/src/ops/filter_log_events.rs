//! `FilterLogEvents`: searches a group, or some of its streams, in the order of time.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, Order, ReadTx};

use super::get_log_events::EVENTS_MAX;
use crate::{
    Logs,
    api::{Error, FilterLogEvents, FilterLogEventsInput, FilterLogEventsOutput, FilteredLogEvent},
    arrival::{BATCH_BYTES_MAX, counted_bytes},
    cursor::{Cursor, Event, Merge, Span},
    pattern::Pattern,
    position::{Position, invalid_token},
    resource,
    rows::{self, Group, Stream, millis},
};

/// Text searched per request. AWS too answers empty pages with a token when a search is long.
const SEARCHED_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Operation<FilterLogEvents> for Logs {
    fn access(&self, input: &FilterLogEventsInput, caller: &Caller) -> Result<Access, Error> {
        let named = resource::named_group(
            &self.scope(caller),
            input.log_group_name.as_ref(),
            input.log_group_identifier.as_ref(),
        );
        let (scope, group) = named?;
        let arn = resource::whole_group_arn(&scope, &group);
        let access = Access::on("logs:FilterLogEvents", arn.clone());
        // AWS: unmasking needs logs:Unmask (API reference). Nothing is ever masked here.
        Ok(if input.unmask == Some(true) { access.and(Ask::on("logs:Unmask", arn)) } else { access })
    }

    async fn run(&self, call: Call<FilterLogEvents>) -> Result<FilterLogEventsOutput, Error> {
        let input = &call.input;
        let named = resource::named_group(
            call.scope(),
            input.log_group_name.as_ref(),
            input.log_group_identifier.as_ref(),
        );
        let (scope, name) = named?;
        // AWS: text of the service.
        if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
            return Err(Error::invalid_parameter_exception(
                "Parameters logStreamNamePrefix and logStreamNames are mutually exclusive.",
            ));
        }
        let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())?;
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS_MAX);
        let (events, next) = self.env.store.read(|tx| {
            let group = rows::group(tx, &scope, &name)?;
            let streams = streams(tx, &scope, &group, input)?;
            let span = span(input, &group, call.now())?;
            let cursors =
                streams.iter().filter(|(_, stream)| overlaps(stream, span)).map(|(name, stream)| {
                    Cursor::new(tx, rows::batches_key(&scope, &group.id, stream.number), name, stream, span)
                });
            search(Merge::new(cursors.collect(), span.order)?, &pattern, limit)
        })?;
        Ok(FilterLogEventsOutput {
            events: Some(events.into_iter().map(shown).collect()),
            // AWS: always empty since 2019 (API reference).
            searched_log_streams: Some(Vec::new()),
            next_token: next.map(Position::digits),
        })
    }
}

/// The streams to search.
fn streams(
    tx: &ReadTx<'_>,
    scope: &Scope,
    group: &Group,
    input: &FilterLogEventsInput,
) -> Result<Vec<(String, Stream)>, Error> {
    if let Some(names) = &input.log_stream_names {
        let mut names = names.clone();
        names.sort();
        names.dedup();
        return names
            .into_iter()
            .map(|name| Ok((name.clone(), rows::stream(tx, scope, group, &name)?)))
            .collect();
    }
    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
    let prefix = rows::streams_key(scope, &group.id).partial_text(prefix);
    let found: Vec<(Key, Stream)> = tx.scan(&prefix, None, usize::MAX)?;
    Ok(found.into_iter().filter_map(|(key, stream)| Some((key.text_at(1)?, stream))).collect())
}

fn span(input: &FilterLogEventsInput, group: &Group, now: Timestamp) -> Result<Span, Error> {
    let beyond = input.next_token.as_deref().map(|token| Position::parse(token).ok_or_else(invalid_token));
    let from = input.start_time.unwrap_or(0).max(group.expired_before(now));
    Ok(Span {
        from: millis(from),
        // AWS: unlike GetLogEvents, the end is included ("later than this time are not returned", API reference).
        until: input.end_time.map_or(u64::MAX, |end| millis(end).saturating_add(1)),
        beyond: beyond.transpose()?,
        order: if input.start_from_head == Some(false) { Order::Descending } else { Order::Ascending },
    })
}

fn overlaps(stream: &Stream, span: Span) -> bool {
    stream.first_and_last.is_some_and(|(first, last)| millis(first) < span.until && millis(last) >= span.from)
}

/// What matches, and where to go on if there may be more.
fn search(
    mut merge: Merge<'_>,
    pattern: &Pattern,
    limit: usize,
) -> Result<(Vec<Event>, Option<Position>), Error> {
    let (mut events, mut bytes, mut searched) = (Vec::new(), 0, 0);
    let mut at = None;
    while let Some(event) = merge.next()? {
        let size = counted_bytes(&event.message);
        let matches = pattern.matches(&event.message);
        // There is more, but not on this page: go on after the last event that was dealt with.
        let full = matches && (events.len() >= limit.min(EVENTS_MAX) || bytes + size > BATCH_BYTES_MAX);
        if at.is_some() && (full || searched > SEARCHED_BYTES_MAX) {
            return Ok((events, at));
        }
        searched += size;
        at = Some(event.position);
        if matches {
            bytes += size;
            events.push(event);
        }
    }
    Ok((events, None))
}

fn shown(event: Event) -> FilteredLogEvent {
    FilteredLogEvent {
        log_stream_name: Some(event.stream.as_ref().to_owned()),
        timestamp: i64::try_from(event.position.timestamp).ok(),
        event_id: Some(event.position.digits()),
        message: Some(event.message),
        ingestion_time: Some(event.ingested_at.millis()),
    }
}
