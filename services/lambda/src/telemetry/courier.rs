//! Takes events to one subscriber, in batches, over a socket of the environment's own network.

use std::{io, sync::Arc, sync::PoisonError, time::Duration};

use casemate_names::Clock;
use casemate_sandbox::Outlet;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{Dropped, Queue, Subscription, subscription::Destination};
use crate::platform::Note;

/// How long a batch may take while the environment runs. Ours.
const DELIVERY_LIMIT: Duration = Duration::from_secs(5);
/// How often a batch is tried. Ours: an extension may subscribe before it listens.
const TRIES_MAX: u32 = 5;
/// Between two tries, times the number of tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the other side may take to close a connection over which everything has gone. Ours.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// What answers over HTTP begin with; no more of them is looked at.
const ANSWER_BEGINS: &[u8; 7] = b"HTTP/1.";

pub(super) struct Courier {
    outlet: Outlet,
    wanted: Subscription,
    queue: Arc<Queue>,
    running: watch::Receiver<bool>,
    clock: Arc<dyn Clock>,
}

impl Courier {
    pub(super) fn new(
        outlet: Outlet,
        wanted: Subscription,
        queue: Arc<Queue>,
        running: watch::Receiver<bool>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self { outlet, wanted, queue, running, clock: Arc::clone(clock) }
    }

    /// Delivers until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let batch = self.batch().await;
            if self.deliver_in_time(&batch).await.is_err() {
                let bytes: u64 = batch.iter().map(|event| event.len() as u64).sum();
                let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.dropped.records += batch.len() as u64;
                waiting.dropped.bytes += bytes;
            }
        }
    }

    /// The next batch, when it is due.
    async fn batch(&self) -> Vec<String> {
        let mut due = None;
        loop {
            let more = self.queue.more.notified();
            {
                let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let full =
                    waiting.events.len() >= self.wanted.items_max || waiting.bytes >= self.wanted.bytes_max;
                let late = due.is_some_and(|due| Instant::now() >= due);
                if !waiting.events.is_empty() && (full || late || std::mem::take(&mut waiting.flush)) {
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

    fn take(&self, waiting: &mut super::Waiting) -> Vec<String> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let dropped = std::mem::take(&mut waiting.dropped);
        if dropped != Dropped::default() {
            batch.push(Note::logs_dropped(dropped.records, dropped.bytes).json(self.clock.now()));
        }
        while batch.len() < self.wanted.items_max
            && let Some(next) = waiting.events.front()
            && (bytes == 0 || bytes + next.len() <= self.wanted.bytes_max)
        {
            bytes += next.len();
            batch.extend(waiting.events.pop_front());
        }
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        batch
    }

    /// Delivers a batch, with a few tries.
    async fn deliver_in_time(&mut self, batch: &[String]) -> io::Result<()> {
        let mut tries = 0;
        loop {
            thawed(&mut self.running).await;
            let delivery = deliver(&mut self.outlet, &self.wanted.destination, batch);
            let result = tokio::select! {
                result = delivery => result,
                () = overdue(self.running.clone()) => Err(io::ErrorKind::TimedOut.into()),
            };
            tries += 1;
            if result.is_ok() || tries >= TRIES_MAX {
                return result;
            }
            sleep(PAUSE * tries).await;
        }
    }
}

async fn thawed(running: &mut watch::Receiver<bool>) {
    drop(running.wait_for(|running| *running).await.map(drop));
}

/// When a delivery has taken too long. The time of a frozen environment does not count.
async fn overdue(mut running: watch::Receiver<bool>) {
    let mut left = DELIVERY_LIMIT;
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

async fn deliver(outlet: &mut Outlet, destination: &Destination, batch: &[String]) -> io::Result<()> {
    let mut stream = outlet.connect(destination.port()).await?;
    match destination {
        Destination::Tcp { .. } => {
            for event in batch {
                stream.write_all(event.as_bytes()).await?;
                stream.write_all(b"\n").await?;
            }
            stream.shutdown().await?;
            read_to_end(&mut stream).await;
            Ok(())
        }
        Destination::Http { path, host, .. } => {
            let length = batch.iter().map(String::len).sum::<usize>() + batch.len() + 1;
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(format!("[{}]", batch.join(",")).as_bytes()).await?;
            let mut begin = [0; ANSWER_BEGINS.len()];
            stream.read_exact(&mut begin).await?;
            // What has taken the batch and refuses it would refuse it again.
            if begin != *ANSWER_BEGINS {
                return Err(io::ErrorKind::InvalidData.into());
            }
            read_to_end(&mut stream).await;
            Ok(())
        }
    }
}

/// Until the other side closes: the next connection breaks this one off, and what is under way with it.
async fn read_to_end(stream: &mut TcpStream) {
    let rest = async {
        let mut buffer = [0; 1_024];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    };
    drop(timeout(CLOSE_LIMIT, rest).await);
}
