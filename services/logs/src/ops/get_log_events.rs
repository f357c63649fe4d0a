//! `GetLogEvents`: reads one stream, forwards or backwards, page by page.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Order;

use crate::{
    Logs,
    api::{Error, GetLogEvents, GetLogEventsInput, GetLogEventsOutput, OutputLogEvent},
    arrival::{BATCH_BYTES_MAX, counted_bytes},
    cursor::{Cursor, Event, Span},
    position::{Position, Toward},
    resource,
    rows::{self, millis},
};

/// AWS: "as many log events as can fit in a response size of 1 MB, up to 10,000" (API reference).
pub(super) const EVENTS_MAX: usize = 10_000;

impl Operation<GetLogEvents> for Logs {
    fn access(&self, input: &GetLogEventsInput, caller: &Caller) -> Result<Access, Error> {
        let named = resource::named_group(
            &self.scope(caller),
            input.log_group_name.as_ref(),
            input.log_group_identifier.as_ref(),
        );
        let (scope, group) = named?;
        let mut access =
            Access::on("logs:GetLogEvents", resource::stream_arn(&scope, &group, &input.log_stream_name));
        if input.unmask == Some(true) {
            // AWS: unmasking needs logs:Unmask (API reference). Nothing is ever masked here.
            access = access
                .and(casemate_kernel::Ask::on("logs:Unmask", resource::whole_group_arn(&scope, &group)));
        }
        Ok(access)
    }

    async fn run(&self, call: Call<GetLogEvents>) -> Result<GetLogEventsOutput, Error> {
        let input = &call.input;
        let named = resource::named_group(
            call.scope(),
            input.log_group_name.as_ref(),
            input.log_group_identifier.as_ref(),
        );
        let (scope, name) = named?;
        let token = input.next_token.as_deref().map(Toward::parse).transpose()?;
        // A token knows its direction, whatever startFromHead says.
        let (order, beyond) = match token {
            Some(Toward::Later(at)) => (Order::Ascending, Some(at)),
            Some(Toward::Earlier(at)) => (Order::Descending, Some(at)),
            None if input.start_from_head == Some(true) => (Order::Ascending, None),
            None => (Order::Descending, None),
        };
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS_MAX);
        let mut events = self.env.store.read(|tx| {
            let group = rows::group(tx, &scope, &name)?;
            let stream = rows::stream(tx, &scope, &group, &input.log_stream_name)?;
            // AWS: the start is included, the end is not (API reference).
            let from = input.start_time.unwrap_or(0).max(group.expired_before(call.now()));
            let span =
                Span { from: millis(from), until: input.end_time.map_or(u64::MAX, millis), beyond, order };
            let batches = rows::batches_key(&scope, &group.id, stream.number);
            page(Cursor::new(tx, batches, &input.log_stream_name, &stream, span), limit)
        })?;
        if order == Order::Descending {
            events.reverse();
        }
        // At an end the token that led there comes back (AWS: API reference), so a reader can wait with it.
        let here = beyond.unwrap_or_default();
        let place = |event: Option<&Event>| event.map_or(here, |event| event.position);
        Ok(GetLogEventsOutput {
            next_forward_token: Some(place(events.last()).later()),
            next_backward_token: Some(place(events.first()).earlier()),
            events: Some(events.into_iter().map(shown).collect()),
        })
    }
}

fn page(mut cursor: Cursor<'_>, limit: usize) -> Result<Vec<Event>, Error> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < limit.min(EVENTS_MAX) {
        let Some(event) = cursor.next()? else { break };
        bytes += counted_bytes(&event.message);
        if bytes > BATCH_BYTES_MAX && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    Ok(events)
}

fn shown(event: Event) -> OutputLogEvent {
    let Position { timestamp, .. } = event.position;
    OutputLogEvent {
        timestamp: i64::try_from(timestamp).ok(),
        message: Some(event.message),
        ingestion_time: Some(event.ingested_at.millis()),
    }
}
