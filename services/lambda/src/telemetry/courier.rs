//! Takes events to one subscriber, in batches, over a socket of the environment's own network.

use std::{
    io,
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use casemate_names::Clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufWriter},
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{Dropped, Queue, Subscription, Waiting, subscription::Destination};
use crate::{
    isolate::{Channel, Outlet},
    platform::Note,
};

/// How long it is tried to deliver a batch, while the environment runs. Ours.
const DELIVERY_LIMIT: Duration = Duration::from_secs(5);
/// Between two tries, at first and at most. Ours: an extension may subscribe before it listens.
// AWS: "retries the attempt to send the logs (with backoff)" (Lambda Logs API, "Destination protocols").
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long the other side may take to close a connection over which everything has gone. Ours.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// What an answer that takes the batch begins with; the third digit and all else does not matter.
const TAKEN: [&[u8; 10]; 2] = [b"HTTP/1.1 2", b"HTTP/1.0 2"];

pub(super) struct Courier {
    outlet: Outlet,
    wanted: Subscription,
    queue: Arc<Queue>,
    running: watch::Receiver<bool>,
    clock: Arc<dyn Clock>,
    limit: Duration,
}

/// What is delivered at once.
struct Batch {
    /// Told first, if there is any.
    dropped: Dropped,
    events: Vec<String>,
}

impl Courier {
    pub(super) fn new(
        outlet: Outlet,
        wanted: Subscription,
        queue: Arc<Queue>,
        running: watch::Receiver<bool>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self { outlet, wanted, queue, running, clock: Arc::clone(clock), limit: DELIVERY_LIMIT }
    }

    /// Delivers until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let batch = self.batch().await;
            if self.deliver_in_time(&batch).await.is_err() {
                let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.dropped.records += batch.dropped.records;
                waiting.dropped.bytes += batch.dropped.bytes;
                batch.events.iter().for_each(|event| waiting.dropped.add(event.len()));
            }
        }
    }

    /// The next batch, when it is due.
    async fn batch(&self) -> Batch {
        let mut due = None;
        loop {
            let more = self.queue.more.notified();
            {
                let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let full =
                    waiting.events.len() >= self.wanted.items_max || waiting.bytes >= self.wanted.bytes_max;
                let late = due.is_some_and(|due| Instant::now() >= due);
                if !waiting.events.is_empty() && (full || late || waiting.hurried) {
                    return self.take(&mut waiting);
                }
                if !waiting.events.is_empty() && due.is_none() {
                    due = Some(Instant::now() + self.wanted.timeout);
                }
            }
            match due {
                Some(due) => drop(timeout_at(due, more).await),
                None => more.await,
            }
        }
    }

    fn take(&self, waiting: &mut Waiting) -> Batch {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < self.wanted.items_max
            && let Some(next) = waiting.events.front()
            && (bytes == 0 || bytes + next.len() <= self.wanted.bytes_max)
        {
            bytes += next.len();
            events.extend(waiting.events.pop_front());
        }
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        Batch { dropped: std::mem::take(&mut waiting.dropped), events }
    }

    /// Delivers a batch, with as many tries as it takes in its time.
    async fn deliver_in_time(&mut self, batch: &Batch) -> io::Result<()> {
        let dropped = (batch.dropped != Dropped::default())
            .then(|| Note::logs_dropped(batch.dropped.records, batch.dropped.bytes).json(self.clock.now()));
        let events: Vec<&str> =
            dropped.as_deref().into_iter().chain(batch.events.iter().map(String::as_str)).collect();
        let mut overdue = pin!(overdue(self.running.clone(), self.limit));
        let (mut pause, most) = PAUSES;
        loop {
            thawed(&mut self.running).await;
            tokio::select! {
                biased;
                delivered = deliver(&mut self.outlet, &self.wanted.destination, &events) => if delivered.is_ok() {
                    return Ok(());
                },
                () = &mut overdue => return Err(io::ErrorKind::TimedOut.into()),
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = &mut overdue => return Err(io::ErrorKind::TimedOut.into()),
            }
            pause = (pause * 2).min(most);
        }
    }
}

async fn thawed(running: &mut watch::Receiver<bool>) {
    drop(running.wait_for(|running| *running).await.map(drop));
}

/// When a delivery has taken too long. The time of a frozen environment does not count.
async fn overdue(mut running: watch::Receiver<bool>, mut left: Duration) {
    loop {
        let began = Instant::now();
        // Frozen in time; otherwise the time is up, or nobody freezes or thaws it any more.
        let frozen = timeout(left, running.wait_for(|running| !running)).await;
        if !frozen.is_ok_and(|told| told.is_ok()) {
            return;
        }
        left = left.saturating_sub(began.elapsed());
        thawed(&mut running).await;
    }
}

async fn deliver(outlet: &mut Outlet, destination: &Destination, events: &[&str]) -> io::Result<()> {
    let mut stream = BufWriter::new(outlet.connect(destination.port()).await?);
    match destination {
        Destination::Tcp { .. } => {
            for event in events {
                stream.write_all(event.as_bytes()).await?;
                stream.write_all(b"\n").await?;
            }
            stream.shutdown().await?;
        }
        Destination::Http { method, path, host, .. } => {
            // An array: between any two events there is a comma.
            let length = events.iter().map(|event| event.len() + 1).sum::<usize>() + 1;
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            for (index, event) in events.iter().enumerate() {
                stream.write_all(if index == 0 { b"[" } else { b"," }).await?;
                stream.write_all(event.as_bytes()).await?;
            }
            stream.write_all(b"]").await?;
            stream.flush().await?;
            let mut begin = [0; TAKEN[0].len()];
            stream.get_mut().read_exact(&mut begin).await?;
            // AWS: what results in an error is sent again.
            if !TAKEN.contains(&&begin) {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
    read_to_end(stream.get_mut()).await;
    Ok(())
}

/// Until the other side closes: the next connection breaks this one off, and what is under way with it.
async fn read_to_end(stream: &mut Channel) {
    let rest = async {
        let mut buffer = [0; 1_024];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    };
    drop(timeout(CLOSE_LIMIT, rest).await);
}

#[cfg(test)]
mod tests;
