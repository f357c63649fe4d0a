//! `PutLogEvents`: takes a batch of events into a stream.

use std::sync::Arc;

use casemate_kernel::{Access, Call, Caller, Operation};

use super::describe_log_streams::sequence_token;
use crate::{
    Logs,
    api::{Error, PutLogEvents, PutLogEventsInput, PutLogEventsOutput},
    arrival, resource,
    rows::{self, millis},
    sweep,
};

/// Expired batches removed with each new one.
const EXPIRED_AT_A_TIME: usize = 4;

impl Operation<PutLogEvents> for Logs {
    fn access(&self, input: &PutLogEventsInput, caller: &Caller) -> Result<Access, Error> {
        let arn = resource::stream_arn(&self.scope(caller), &input.log_group_name, &input.log_stream_name);
        Ok(Access::on("logs:PutLogEvents", arn))
    }

    // AWS: the sequence token is ignored since 2023 (API reference).
    async fn run(&self, call: Call<PutLogEvents>) -> Result<PutLogEventsOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let mut group = rows::group(tx, &scope, &input.log_group_name)?;
                let mut stream = rows::stream(tx, &scope, &group, &input.log_stream_name)?;
                let expired_before = group.expired_before(now);
                let arrival = arrival::accept(&input.log_events, now, expired_before)?;
                if let (Some((first, _)), Some((last, _))) = (arrival.events.first(), arrival.events.last()) {
                    let (first, last) = (*first, *last);
                    stream.batches_made += 1;
                    stream.ingested_at = Some(now);
                    stream.span_ms_max = stream.span_ms_max.max(last - first);
                    let (earliest, latest) = stream.first_and_last.unwrap_or((first, last));
                    stream.first_and_last = Some((earliest.min(first), latest.max(last)));
                    group.stored_bytes += i64::try_from(arrival.bytes).unwrap_or(0);
                    let batches = rows::batches_key(&scope, &group.id, stream.number);
                    let reach = stream.span_ms_max;
                    for key in sweep::expired(tx, &batches, reach, expired_before, EXPIRED_AT_A_TIME)? {
                        tx.delete::<rows::Batch>(&key)?;
                    }
                    let batch = rows::Batch { ingested_at: now, events: Arc::new(arrival.events) };
                    tx.put(&batches.number(millis(first)).number(stream.batches_made), &batch)?;
                    tx.put(&rows::stream_key(&scope, &group.id, &input.log_stream_name), &stream)?;
                    tx.put(&rows::group_key(&scope, &input.log_group_name), &group)?;
                }
                Ok(PutLogEventsOutput {
                    next_sequence_token: Some(sequence_token(&stream)),
                    rejected_log_events_info: arrival.rejected,
                    rejected_entity_info: None,
                })
            })
            .await
    }
}
