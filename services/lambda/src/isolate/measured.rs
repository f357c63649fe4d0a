//! How much a machine may have recorded. Its guest may have been taken over, and what it says of its function goes to the audit
//! log's disk: so much for each request, so much in all. The rest is counted.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use casemate_sandbox::{Event, Recorded};
use tokio::{sync::mpsc, time::Instant};

/// Events that wait to be recorded.
pub(super) const EVENTS_WAITING_MAX: usize = 1_024;
/// Events of any kind that are recorded between the beginnings of two requests. Ours.
const EVENTS_MAX: usize = 512;
/// What all events of an environment may weigh. Ours: a hundred thousand ordinary ones.
const BYTES_MAX: usize = 16 << 20;
/// What an event weighs besides its texts.
const EVENT_BYTES: usize = 64;

/// Passes on events with the time of their arrival. No event belongs to a request that has not begun.
pub(super) fn record(
    mut events: mpsc::Receiver<(Event, u64)>,
    begun: Arc<AtomicU64>,
    sender: mpsc::Sender<Recorded>,
) {
    drop(tokio::spawn(async move {
        let mut measure = Measure { begun: 0, events: 0, bytes: 0, lost: 0 };
        while let Some((event, invocation)) = events.recv().await {
            let begun = begun.load(Ordering::SeqCst);
            for (event, invocation) in measure.of(begun, event, invocation).into_iter().flatten() {
                if sender.send(Recorded { event, invocation, at: Instant::now() }).await.is_err() {
                    return;
                }
            }
        }
        if let Some((event, invocation)) = measure.lost() {
            drop(sender.send(Recorded { event, invocation, at: Instant::now() }).await);
        }
    }));
}

/// What has been recorded. Requests are counted by the host: what the guest says of them opens no new account.
struct Measure {
    begun: u64,
    events: usize,
    bytes: usize,
    lost: u64,
}

impl Measure {
    /// What is recorded of an event that arrives when this many requests have begun: first what was lost before them.
    fn of(&mut self, begun: u64, event: Event, invocation: u64) -> [Option<(Event, u64)>; 2] {
        let mut before = None;
        if begun != self.begun {
            before = self.lost();
            (self.begun, self.events) = (begun, 0);
        }
        let weight = weight(&event);
        if is_the_hosts(&event) || self.events >= EVENTS_MAX || self.bytes.saturating_add(weight) > BYTES_MAX
        {
            let more = if let Event::Lost { count } = event { count } else { 1 };
            self.lost = self.lost.saturating_add(more);
            return [before, None];
        }
        self.events += 1;
        self.bytes += weight;
        [before, Some((event, invocation.min(begun)))]
    }

    /// One event for all that was only counted.
    fn lost(&mut self) -> Option<(Event, u64)> {
        let count = std::mem::take(&mut self.lost);
        (count > 0).then_some((Event::Lost { count }, self.begun))
    }
}

/// What only the host knows, and records itself: a guest that says it lies.
fn is_the_hosts(event: &Event) -> bool {
    matches!(event, Event::Connecting { .. } | Event::Disconnected { .. } | Event::NameRefused { .. })
}

fn weight(event: &Event) -> usize {
    let texts = match event {
        Event::ExecDenied { path, .. } | Event::OpenDenied { path, .. } => path.len(),
        Event::Executed { path, arguments, .. } => {
            arguments.iter().fold(path.len(), |sum, argument| sum.saturating_add(argument.len()))
        }
        Event::Connecting { name, .. } => name.as_ref().map_or(0, String::len),
        Event::NameRefused { name } | Event::SocketMissing { name, .. } => name.len(),
        Event::CallRefused { call, .. } => call.len(),
        Event::Signal { target, .. } => target.len(),
        Event::ConnectDenied { .. }
        | Event::Disconnected { .. }
        | Event::OutOfMemory
        | Event::ProcessLimit { .. }
        | Event::TmpFull
        | Event::DescriptorLimit { .. }
        | Event::Lost { .. } => 0,
    };
    texts.saturating_add(EVENT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(count: u64, event: &Event, begun: &Arc<AtomicU64>) -> mpsc::Receiver<Recorded> {
        let (sender, events) = mpsc::channel(usize::try_from(count).unwrap());
        // The guest names ever new requests: that opens no new account.
        (0..count).for_each(|number| sender.try_send((event.clone(), number)).unwrap());
        let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        record(events, Arc::clone(begun), sender);
        receiver
    }

    async fn all(mut events: mpsc::Receiver<Recorded>) -> Vec<(Event, u64)> {
        let mut all = Vec::new();
        while let Some(Recorded { event, invocation, .. }) = events.recv().await {
            all.push((event, invocation));
        }
        all
    }

    fn opened(path: String) -> Event {
        Event::OpenDenied { pid: 1, path, write: false }
    }

    #[tokio::test]
    async fn of_connections_outside_a_guest_is_believed_nothing() {
        let begun = Arc::new(AtomicU64::new(1));
        let address = "192.0.2.1:443".parse().unwrap();
        for event in [
            Event::Connecting { pid: 1, address, name: None },
            Event::Disconnected { address, sent: 1, received: 1 },
            Event::NameRefused { name: "example.org".into() },
        ] {
            assert_eq!(all(flood(2, &event, &begun)).await, [(Event::Lost { count: 2 }, 1)]);
        }
    }

    #[tokio::test]
    async fn events_beyond_a_requests_most_are_counted_whatever_they_are() {
        let begun = Arc::new(AtomicU64::new(3));
        for event in [Event::OutOfMemory, Event::ProcessLimit { refused: 1 }, opened("p".into())] {
            let got = all(flood(700, &event, &begun)).await;
            assert_eq!(got.len(), EVENTS_MAX + 1);
            assert!(got.iter().all(|(_, invocation)| *invocation <= 3));
            assert_eq!(got.last(), Some(&(Event::Lost { count: 188 }, 3)));
        }
        let got = all(flood(514, &Event::Lost { count: u64::MAX }, &begun)).await;
        assert_eq!(got.len(), EVENTS_MAX + 1);
    }

    #[test]
    fn each_request_has_its_own_and_all_together_an_end() {
        let mut measure = Measure { begun: 0, events: 0, bytes: 0, lost: 0 };
        let event = || opened("p".repeat(30_000));
        let mut kept = 0;
        for request in 1..=4 {
            for _ in 0..600 {
                let [before, now] = measure.of(request, event(), request);
                kept += usize::from(now.is_some());
                assert!(before.is_none_or(|(event, of)| matches!(event, Event::Lost { .. }) && of < request));
            }
        }
        assert_eq!(kept, BYTES_MAX / (30_000 + EVENT_BYTES));
        assert!(measure.lost().is_some() && measure.lost().is_none());
    }
}
