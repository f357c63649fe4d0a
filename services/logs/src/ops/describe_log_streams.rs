//! `DescribeLogStreams`: lists a group's streams by name or by their last event.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, ReadTx};

use crate::{
    Logs,
    api::{DescribeLogStreams, DescribeLogStreamsInput, DescribeLogStreamsOutput, Error, LogStream, OrderBy},
    page,
    position::{Position, invalid_token},
    resource,
    rows::{self, Stream, millis},
};

/// Digits of a timestamp in front of the name in a token of the order by last event.
const TIME_DIGITS: usize = 16;

impl Operation<DescribeLogStreams> for Logs {
    fn access(&self, input: &DescribeLogStreamsInput, caller: &Caller) -> Result<Access, Error> {
        let named = resource::named_group(
            &self.scope(caller),
            input.log_group_name.as_ref(),
            input.log_group_identifier.as_ref(),
        );
        let (scope, group) = named?;
        Ok(Access::on("logs:DescribeLogStreams", resource::whole_group_arn(&scope, &group)))
    }

    async fn run(&self, call: Call<DescribeLogStreams>) -> Result<DescribeLogStreamsOutput, Error> {
        let input = &call.input;
        let named = resource::named_group(
            call.scope(),
            input.log_group_name.as_ref(),
            input.log_group_identifier.as_ref(),
        );
        let (scope, name) = named?;
        let order = input.order_by.unwrap_or(OrderBy::LogStreamName);
        // AWS: text of the service.
        if order == OrderBy::LastEventTime && input.log_stream_name_prefix.is_some() {
            return Err(Error::invalid_parameter_exception(
                "Cannot order by LastEventTime with a logStreamNamePrefix.",
            ));
        }
        let (group, mut streams) = self.env.store.read(|tx| {
            let group = rows::group(tx, &scope, &name)?;
            let streams = match order {
                OrderBy::LogStreamName => by_name(tx, &scope, &group, input)?,
                OrderBy::LastEventTime => by_time(tx, &scope, &group, input)?,
            };
            Ok::<_, Error>((group, streams))
        })?;
        let limit = page::limit(input.limit);
        let more = streams.len() > limit;
        streams.truncate(limit);
        let next_token = streams.last().filter(|_| more).map(|(name, stream)| match order {
            OrderBy::LogStreamName => page::token(name),
            OrderBy::LastEventTime => page::token(&format!("{:016}{name}", last_event(stream))),
        });
        let expired_before = group.expired_before(call.now());
        let described = |(stream_name, stream): &(String, Stream)| LogStream {
            arn: Some(resource::stream_arn(&scope, &name, stream_name).as_str().to_owned()),
            log_stream_name: Some(stream_name.clone()),
            creation_time: Some(stream.created_at.millis()),
            first_event_timestamp: stream.first_and_last.map(|(first, _)| first.max(expired_before)),
            last_event_timestamp: stream.first_and_last.map(|(_, last)| last),
            last_ingestion_time: stream.ingested_at.map(Timestamp::millis),
            upload_sequence_token: Some(sequence_token(stream)),
            // AWS: always zero since 2019 (API reference).
            stored_bytes: Some(0),
        };
        Ok(DescribeLogStreamsOutput {
            log_streams: Some(streams.iter().map(described).collect()),
            next_token,
        })
    }
}

/// What AWS calls a sequence token: nobody needs it any more, clients still read it.
pub(super) fn sequence_token(stream: &Stream) -> String {
    Position { stream: stream.number, batch: stream.batches_made, ..Position::default() }.digits()
}

/// One more stream than the page holds, in order.
fn by_name(
    tx: &ReadTx<'_>,
    scope: &Scope,
    group: &rows::Group,
    input: &DescribeLogStreamsInput,
) -> Result<Vec<(String, Stream)>, Error> {
    let all = rows::streams_key(scope, &group.id);
    let prefix = all.clone().partial_text(input.log_stream_name_prefix.as_deref().unwrap_or_default());
    let beyond = input.next_token.as_deref().map(page::parse).transpose()?.map(|name| all.text(&name));
    let limit = page::limit(input.limit) + 1;
    let found: Vec<(Key, Stream)> = match input.descending {
        Some(true) => tx.scan_reverse(&prefix, beyond.as_ref(), limit)?,
        _ => tx.scan(&prefix, beyond.as_ref(), limit)?,
    };
    Ok(found.into_iter().filter_map(|(key, stream)| Some((key.text_at(1)?, stream))).collect())
}

/// All streams beyond the token, in order.
fn by_time(
    tx: &ReadTx<'_>,
    scope: &Scope,
    group: &rows::Group,
    input: &DescribeLogStreamsInput,
) -> Result<Vec<(String, Stream)>, Error> {
    let found: Vec<(Key, Stream)> = tx.scan(&rows::streams_key(scope, &group.id), None, usize::MAX)?;
    let named = found.into_iter().filter_map(|(key, stream)| Some((key.text_at(1)?, stream)));
    let mut streams: Vec<_> = named.collect();
    let place = |(name, stream): &(String, Stream)| (last_event(stream), name.clone());
    streams.sort_by_cached_key(place);
    let descending = input.descending == Some(true);
    if let Some(token) = &input.next_token {
        let text = page::parse(token)?;
        let (time, name) = text.split_at_checked(TIME_DIGITS).ok_or_else(invalid_token)?;
        let at = (time.parse().map_err(|_| invalid_token())?, name.to_owned());
        streams.retain(|stream| if descending { place(stream) < at } else { place(stream) > at });
    }
    if descending {
        streams.reverse();
    }
    Ok(streams)
}

fn last_event(stream: &Stream) -> u64 {
    stream.first_and_last.map_or(0, |(_, last)| millis(last))
}
