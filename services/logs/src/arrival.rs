//! The rules a batch of events must keep to be taken in. Sans-io.

use casemate_names::Timestamp;

use crate::api::{Error, InputLogEvent, RejectedLogEventsInfo};

// AWS: API reference of PutLogEvents.
/// Largest batch: the UTF-8 bytes of all texts and 26 per event.
pub(crate) const BATCH_BYTES_MAX: usize = 1_048_576;
/// What every event counts besides its text.
pub(crate) const EVENT_OVERHEAD_BYTES: usize = 26;
/// Largest span from the first to the last event of a batch: 24 hours.
const SPAN_MS_MAX: i64 = 86_400_000;
/// How old an event may be: 14 days.
const AGE_MS_MAX: i64 = 14 * 86_400_000;
/// How far in the future an event may lie: 2 hours.
const AHEAD_MS_MAX: i64 = 2 * 3_600_000;

/// A batch that has been looked through.
#[derive(Debug, PartialEq)]
pub(crate) struct Arrival {
    /// What is taken in, in order.
    pub(crate) events: Vec<(i64, String)>,
    /// Bytes of it as AWS counts them.
    pub(crate) bytes: usize,
    /// What is left out and why.
    pub(crate) rejected: Option<RejectedLogEventsInfo>,
}

/// Bytes of one event as AWS counts them.
pub(crate) fn counted_bytes(message: &str) -> usize {
    message.len() + EVENT_OVERHEAD_BYTES
}

/// Refuses a batch that breaks a rule as a whole, and leaves out events that are too old, expired or too new.
pub(crate) fn accept(
    events: &[InputLogEvent],
    now: Timestamp,
    expired_before: i64,
) -> Result<Arrival, Error> {
    check(events)?;
    let now = now.millis();
    let too_old = events.iter().take_while(|event| event.timestamp < now - AGE_MS_MAX).count();
    let expired = events.iter().take_while(|event| event.timestamp < expired_before).count();
    let in_time = events.iter().take_while(|event| event.timestamp <= now + AHEAD_MS_MAX).count();
    let index = |count: usize| i32::try_from(count).ok();
    let rejected = (too_old > 0 || expired > 0 || in_time < events.len()).then(|| RejectedLogEventsInfo {
        too_new_log_event_start_index: index(in_time).filter(|_| in_time < events.len()),
        too_old_log_event_end_index: index(too_old).filter(|_| too_old > 0),
        expired_log_event_end_index: index(expired).filter(|_| expired > 0),
    });
    let first = too_old.max(expired);
    let taken = events.iter().take(in_time).skip(first);
    let events: Vec<_> = taken.map(|event| (event.timestamp, event.message.clone())).collect();
    let bytes = events.iter().map(|(_, message)| counted_bytes(message)).sum();
    Ok(Arrival { events, bytes, rejected })
}

fn check(events: &[InputLogEvent]) -> Result<(), Error> {
    // AWS: the texts are the service's own, seen in many clients' reports.
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(Error::invalid_parameter_exception(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && last.timestamp.saturating_sub(first.timestamp) > SPAN_MS_MAX
    {
        return Err(Error::invalid_parameter_exception(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    let bytes: usize = events.iter().map(|event| counted_bytes(&event.message)).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(Error::invalid_parameter_exception(format!(
            "Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn events(times: &[i64]) -> Vec<InputLogEvent> {
        times.iter().map(|at| InputLogEvent { timestamp: NOW + at, message: "x".into() }).collect()
    }

    fn arrive(times: &[i64], expired_before: i64) -> Result<Arrival, Error> {
        accept(&events(times), Timestamp::from_millis(NOW), expired_before)
    }

    #[test]
    fn an_ordinary_batch_is_taken_whole() {
        let arrival = arrive(&[-5, -5, 0], 0).unwrap();
        assert_eq!((arrival.events.len(), arrival.bytes, arrival.rejected), (3, 81, None));
    }

    #[test]
    fn a_batch_out_of_order_is_refused() {
        let refused = arrive(&[0, -1], 0).unwrap_err();
        assert!(
            matches!(refused, Error::InvalidParameterException(e) if e.message.as_deref().unwrap().ends_with("chronological order."))
        );
    }

    #[test]
    fn a_batch_may_span_a_day_and_no_more() {
        assert!(arrive(&[-SPAN_MS_MAX, 0], 0).is_ok());
        assert!(arrive(&[-SPAN_MS_MAX - 1, 0], 0).is_err());
        assert!(
            accept(
                &[
                    InputLogEvent { timestamp: i64::MIN, message: "a".into() },
                    InputLogEvent { timestamp: i64::MAX, message: "b".into() },
                ],
                Timestamp::from_millis(NOW),
                0
            )
            .is_err()
        );
    }

    #[test]
    fn old_and_future_events_are_left_out_and_counted() {
        let old = arrive(&[-AGE_MS_MAX - 2, -AGE_MS_MAX - 1, -AGE_MS_MAX], 0).unwrap();
        assert_eq!(old.events.len(), 1);
        assert_eq!(old.rejected.unwrap().too_old_log_event_end_index, Some(2));
        let new = arrive(&[0, AHEAD_MS_MAX, AHEAD_MS_MAX + 1], 0).unwrap();
        assert_eq!(new.events.len(), 2);
        assert_eq!(new.rejected.unwrap().too_new_log_event_start_index, Some(2));
    }

    #[test]
    fn events_beyond_the_groups_retention_are_left_out() {
        let arrival = arrive(&[-20, -10, 0], NOW - 10).unwrap();
        assert_eq!(arrival.events.len(), 2);
        let rejected = arrival.rejected.unwrap();
        assert_eq!(
            (rejected.expired_log_event_end_index, rejected.too_old_log_event_end_index),
            (Some(1), None)
        );
    }

    #[test]
    fn a_batch_of_more_than_a_mebibyte_is_refused() {
        let of = |length: usize| {
            let event = InputLogEvent { timestamp: NOW, message: "x".repeat(length) };
            accept(&[event], Timestamp::from_millis(NOW), 0)
        };
        assert!(of(BATCH_BYTES_MAX - EVENT_OVERHEAD_BYTES).is_ok());
        let refused = of(BATCH_BYTES_MAX - EVENT_OVERHEAD_BYTES + 1).unwrap_err();
        assert!(matches!(refused, Error::InvalidParameterException(e)
            if e.message.as_deref() == Some("Upload too large: 1048577 bytes exceeds limit of 1048576")));
    }
}
