//! Delivers log lines to the log service, in batches, **as the function's execution role**: a role that may not write logs
//! writes none, as on AWS, and the refusals are in the audit trail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use casemate_kernel::{As, Env, Fault, FaultKind};
use casemate_names::Timestamp;
use casemate_schema::Document;
use tokio::sync::{mpsc, oneshot};

use crate::{
    farewells::{Farewells, Working},
    function::Function,
};

/// Lines and bytes of one environment waiting for delivery; beyond it lines are dropped. Ours: bounds memory.
const WAITING_MAX: usize = 10_000;
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Beside these: lines and bytes of the platform's own, which a function that floods its log does not drown. Ours: a request
/// has some five, of a few hundred bytes.
const RESERVED: usize = 256;
const RESERVED_BYTES: usize = 256 * 1024;
/// Events and bytes of one batch.
// AWS: PutLogEvents takes 10,000 events and 1,048,576 bytes, each event counted with 26 bytes more. Ours are smaller.
const BATCH_EVENTS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 524_288;
const EVENT_OVERHEAD_BYTES: usize = 26;
/// How long the first line of a batch waits for company.
const GATHER: Duration = Duration::from_millis(100);
/// After a refusal nothing is tried for this long, seconds: one refusal per minute in the trail, not one per line.
const PAUSE_S: i64 = 60;

/// Where one environment's lines go.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    lines: mpsc::Sender<Item>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    farewells: Farewells,
}

/// One that waits.
#[derive(Debug)]
struct Line {
    at: Timestamp,
    text: String,
    /// The server's end waits for it.
    _working: Working,
}

#[derive(Debug)]
enum Item {
    Line(Line),
    /// Everything before this is to be delivered, and this answered then.
    Mark(oneshot::Sender<()>),
}

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The function or an extension.
    Functions,
    /// The platform.
    Platforms,
}

impl Delivery {
    /// Begins to deliver to `stream` of the function's group; ends when the last handle is dropped and all is delivered.
    /// The end that `farewells` says waits for what is handed over.
    pub(crate) fn start(env: &Env, function: Arc<Function>, stream: String, farewells: &Farewells) -> Self {
        let (lines, queue) = mpsc::channel(WAITING_MAX + RESERVED);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let courier = Courier {
            env: env.clone(),
            function,
            stream,
            waiting_bytes: Arc::clone(&waiting_bytes),
            farewells: farewells.clone(),
            prepared: false,
            paused_until: None,
        };
        drop(tokio::spawn(courier.run(queue)));
        Self { lines, waiting_bytes, dropped: Arc::default(), farewells: farewells.clone() }
    }

    /// One that is only listened to.
    #[cfg(test)]
    pub(crate) fn tapped() -> (Self, Tap) {
        let (lines, queue) = mpsc::channel(WAITING_MAX + RESERVED);
        let farewells = Farewells::default();
        let (waiting_bytes, dropped) = (Arc::default(), Arc::default());
        (Self { lines, waiting_bytes, dropped, farewells }, Tap(queue))
    }

    /// Hands a line over; it is dropped, and counted, when too many wait.
    pub(crate) fn send(&self, at: Timestamp, text: String, whose: Whose) {
        // AWS: an event's message has at least one character.
        if text.is_empty() {
            return;
        }
        let bytes = text.len();
        let (bytes_max, lines_left) = match whose {
            Whose::Functions => (WAITING_BYTES_MAX, RESERVED),
            Whose::Platforms => (WAITING_BYTES_MAX + RESERVED_BYTES, 0),
        };
        if self.waiting_bytes.fetch_add(bytes, Ordering::SeqCst) + bytes > bytes_max
            || self.lines.capacity() <= lines_left
            || self.lines.try_send(Item::Line(Line { at, text, _working: self.farewells.work() })).is_err()
        {
            self.waiting_bytes.fetch_sub(bytes, Ordering::SeqCst);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines have been dropped since this was last asked.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

impl Delivery {
    /// Tells when everything that has been handed over is delivered, or given up.
    pub(crate) fn mark(&self, answer: oneshot::Sender<()>) {
        // Who is told nothing goes on as well.
        drop(self.lines.try_send(Item::Mark(answer)));
    }
}

struct Courier {
    env: Env,
    function: Arc<Function>,
    stream: String,
    waiting_bytes: Arc<AtomicUsize>,
    farewells: Farewells,
    prepared: bool,
    paused_until: Option<Timestamp>,
}

impl Courier {
    async fn run(mut self, mut queue: mpsc::Receiver<Item>) {
        let mut held_over = None;
        while let Some((batch, mark)) = gather(&mut queue, &mut held_over).await {
            // Beyond the lines' own, which go when they are sent.
            let working = self.farewells.work();
            let taken: usize = batch.iter().map(|line| line.text.len()).sum();
            if !batch.is_empty() {
                self.deliver(batch).await;
            }
            drop(working);
            self.waiting_bytes.fetch_sub(taken, Ordering::SeqCst);
            if let Some(mark) = mark {
                let _ = mark.send(());
            }
        }
    }

    async fn deliver(&mut self, batch: Vec<Line>) {
        let now = self.env.clock.now();
        if self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        if !self.prepared {
            // What is there already, or may not be made, shows when writing.
            self.make("CreateLogGroup", Document::structure([("logGroupName", self.group())])).await;
            let stream = Document::structure([
                ("logGroupName", self.group()),
                ("logStreamName", Document::String(self.stream.clone())),
            ]);
            self.make("CreateLogStream", stream).await;
            self.prepared = true;
        }
        let events = batch.into_iter().map(|line| {
            Document::structure([
                ("timestamp", Document::Integer(line.at.millis())),
                ("message", Document::String(line.text)),
            ])
        });
        let input = Document::structure([
            ("logGroupName", self.group()),
            ("logStreamName", Document::String(self.stream.clone())),
            ("logEvents", Document::List(events.collect())),
        ]);
        if let Err(fault) = self.call("PutLogEvents", input).await {
            self.prepared = false;
            if matches!(fault.kind(), FaultKind::Denied(_)) || fault.is("ResourceNotFoundException") {
                self.paused_until = Some(now.plus_seconds(PAUSE_S));
            }
        }
    }

    async fn make(&self, operation: &'static str, input: Document) {
        drop(self.call(operation, input).await);
    }

    async fn call(&self, operation: &'static str, input: Document) -> Result<Document, Fault> {
        let speaker = As::Role {
            role: self.function.settings.role.clone(),
            session_name: self.function.name.clone(),
            source: self.function.unqualified(),
        };
        self.env.invoke("logs", operation, speaker, input).await
    }

    fn group(&self) -> Document {
        Document::String(self.function.log_group())
    }
}

/// What is delivered next: lines, and who is told then. A line for which there is no room is held over for the next batch.
async fn gather(
    queue: &mut mpsc::Receiver<Item>,
    held_over: &mut Option<Line>,
) -> Option<(Vec<Line>, Option<oneshot::Sender<()>>)> {
    let mut next = match held_over.take() {
        Some(line) => Some(Item::Line(line)),
        None => Some(queue.recv().await?),
    };
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let deadline = tokio::time::Instant::now() + GATHER;
    while let Some(item) = next.take() {
        match item {
            Item::Line(line) if !batch.is_empty() && bytes + size(&line) > BATCH_BYTES_MAX => {
                *held_over = Some(line);
                break;
            }
            Item::Line(line) => {
                bytes += size(&line);
                batch.push(line);
            }
            Item::Mark(answer) => return Some((batch, Some(answer))),
        }
        if batch.len() < BATCH_EVENTS_MAX {
            next = tokio::time::timeout_at(deadline, queue.recv()).await.unwrap_or_default();
        }
    }
    Some((batch, None))
}

fn size(line: &Line) -> usize {
    line.text.len() + EVENT_OVERHEAD_BYTES
}

/// What one that is only listened to has been given.
#[cfg(test)]
pub(crate) struct Tap(mpsc::Receiver<Item>);

#[cfg(test)]
impl Tap {
    pub(crate) fn taken(&mut self) -> Vec<String> {
        let text = |item| match item {
            Item::Line(line) => line.text,
            Item::Mark(_) => "mark".to_owned(),
        };
        std::iter::from_fn(|| self.0.try_recv().ok().map(text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_batch_is_larger_than_it_may_be_and_no_line_is_lost_or_overtaken() {
        let (delivery, mut tap) = Delivery::tapped();
        let long = 262_118;
        let sent = [long, long, 7, BATCH_BYTES_MAX - EVENT_OVERHEAD_BYTES, 9, long, long, long];
        for bytes in sent {
            delivery.send(Timestamp::from_millis(0), "x".repeat(bytes), Whose::Functions);
        }
        let (answer, mut told) = oneshot::channel();
        delivery.mark(answer);
        drop(delivery);
        let (mut held_over, mut seen) = (None, Vec::new());
        while let Some((batch, mark)) = gather(&mut tap.0, &mut held_over).await {
            assert!(!batch.is_empty() && batch.iter().map(size).sum::<usize>() <= BATCH_BYTES_MAX);
            seen.extend(batch.iter().map(|line| line.text.len()));
            assert_eq!(mark.is_some(), seen.len() == sent.len(), "told when all before it is there");
            if let Some(mark) = mark {
                mark.send(()).unwrap();
            }
        }
        assert_eq!(seen, sent);
        assert_eq!(told.try_recv(), Ok(()));
    }

    #[tokio::test]
    async fn the_servers_end_waits_for_lines_that_wait() {
        let (delivery, mut tap) = Delivery::tapped();
        delivery.send(Timestamp::from_millis(0), "REPORT".to_owned(), Whose::Platforms);
        let mut end = std::pin::pin!(delivery.farewells.say());
        let mut poll = async || {
            std::future::poll_fn(|context| std::task::Poll::Ready(end.as_mut().poll(context).is_ready()))
                .await
        };
        assert!(!poll().await);
        assert_eq!(tap.taken(), ["REPORT"]);
        assert!(poll().await);
    }

    #[test]
    fn a_flood_of_the_functions_leaves_room_for_the_platforms_lines() {
        let now = Timestamp::from_millis(0);
        for line in ["x".repeat(262_000), "x".to_owned()] {
            let (delivery, mut tap) = Delivery::tapped();
            for _ in 0..WAITING_MAX + 10 {
                delivery.send(now, line.clone(), Whose::Functions);
            }
            for _ in 0..RESERVED + 10 {
                delivery.send(now, "REPORT".to_owned(), Whose::Platforms);
            }
            let taken = tap.taken();
            let sent = WAITING_MAX + RESERVED + 20;
            assert_eq!(
                delivery.take_dropped(),
                (sent - taken.len()) as u64,
                "what is not handed on is counted"
            );
            assert_eq!(delivery.take_dropped(), 0);
            let platforms = taken.iter().filter(|text| *text == "REPORT").count();
            let functions = taken.len() - platforms;
            assert!(platforms >= RESERVED, "{platforms}");
            assert!(functions <= WAITING_MAX && functions * line.len() <= WAITING_BYTES_MAX, "{functions}");
            assert!(functions > 10);
        }
    }
}
