//! Asynchronous requests: durable rows, by function and in the order they are due, begun by one task, tried again when the
//! function fails.
//!
//! Functions take turns: at each look one event of every function that has one due begins, then a second of each, as far as
//! [`Turns`] lets them. So how many events one function has waiting, and how long they run, is nothing to the others.
//!
//! A row is removed when its request is done for, so a crash repeats a request rather than losing it.
// AWS: asynchronous invocation is at least once, too.

mod lines;
#[cfg(test)]
mod tests;
mod turns;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use casemate_kernel::{Env, Fault, audit};
use casemate_names::{Arn, Timestamp};
use casemate_store::{Key, Row, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    api::Error,
    backlog,
    destination::{self, Condition, Ended, Response, Teller, Word},
    event_config::{AGE_S, EventConfig, RETRIES},
    function::Function,
    invocation::Outcome,
    invoker::{Invoker, Request},
    resource::{self, FunctionRef, LATEST},
    trace, version,
};
use turns::Turns;

/// Waits before the second and third try, seconds.
// AWS: "two retries … one minute between the first two attempts, and two minutes between the second and third".
const RETRY_AFTER_S: [i64; 2] = [60, 120];
/// Longest wait between such tries, seconds.
// AWS: backoff from 1 second to 5 minutes.
const BACKOFF_S_MAX: i64 = 300;
/// The queue is looked at at least this often: retries wait for minutes, and reading the first rows costs microseconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A waiting request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// The ARN that was asked for, version or alias included.
    function: Arn,
    request_id: String,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
    queued_at: Timestamp,
    /// How often the function has failed.
    failures: usize,
    /// How often there was no room for it.
    delays: u32,
    /// For whom it is.
    #[serde(default)]
    principal: Option<String>,
    /// Its trace header.
    #[serde(default)]
    trace: String,
    /// [`Function::creation_id`]: it is not for a later function of the same name.
    #[serde(default)]
    creation_id: String,
    /// Whether it goes in a circle: it is stopped.
    #[serde(default)]
    is_loop: bool,
}

impl Row for Waiting {
    const TABLE: &'static str = "lambda.waiting";
    const VERSION: u16 = 1;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    env: Env,
    invoker: Arc<Invoker>,
    teller: Teller,
    arrived: Notify,
    turns: Mutex<Turns>,
}

/// What becomes of a request after a try.
enum Next {
    Again {
        at: Timestamp,
        waiting: Waiting,
    },
    /// The function ran, or will not.
    Over {
        condition: Condition,
        response: Option<Response>,
        why: &'static str,
    },
    Gone,
}

impl Queue {
    pub(crate) fn new(env: &Env, invoker: Arc<Invoker>) -> Self {
        let teller = Teller::new(env);
        Self { env: env.clone(), invoker, teller, arrived: Notify::new(), turns: Mutex::default() }
    }

    /// Accepts a request, if not too many wait: durable when it resolves. One that goes in a circle is accepted, too, and
    /// stopped at its turn.
    pub(crate) async fn accept(
        &self,
        function: &Function,
        request: Request,
        is_loop: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let waiting = Waiting {
            function: request.invoked,
            request_id: request.id,
            payload: request.payload.to_vec(),
            queued_at: now,
            failures: 0,
            delays: 0,
            principal: request.principal,
            trace: request.trace,
            creation_id: function.creation_id.clone(),
            is_loop,
        };
        let key = lines::key(now, &waiting).ok_or_else(|| Fault::broken("a function without place"))?;
        self.env
            .store
            .write(move |tx| {
                backlog::add(tx, &waiting.function, waiting.payload.len())?;
                tx.put(&key, &waiting)?;
                Ok::<_, Error>(())
            })
            .await?;
        self.arrived.notify_one();
        Ok(())
    }

    /// Runs what is due for as long as the kernel runs.
    pub(crate) async fn work(self: Arc<Self>) {
        // What cannot be moved now is at the next start.
        drop(self.env.store.write(lines::move_old_rows).await);
        let mut from = None;
        while !self.is_stopping() {
            // What cannot be read now is read at the next look.
            from = self.look(from).await;
            drop(tokio::time::timeout(LOOK_EVERY, self.arrived.notified()).await);
        }
    }

    /// Begins what is due: the functions behind `from` first. The answer is where the next look is to go on.
    async fn look(self: &Arc<Self>, from: Option<Key>) -> Option<Key> {
        let (queue, now) = (Arc::clone(self), self.env.clock.now());
        // With many functions it reads for milliseconds, in which nobody else is to wait.
        let begun = tokio::task::spawn_blocking(move || queue.begin_due(now, from.as_ref()).ok()).await;
        begun.ok().flatten().flatten()
    }

    fn begin_due(self: &Arc<Self>, now: Timestamp, from: Option<&Key>) -> Result<Option<Key>, StoreError> {
        let (environments, of_one) = self.invoker.places();
        // As they are now: what has ended meanwhile is asked again when it is taken, and read again when it begins.
        let turns = self.turns().clone();
        let mut look =
            self.env.store.read(|tx| lines::look(tx, &turns, (environments, of_one), now, from))?;
        let mut last = None;
        loop {
            let mut begun = false;
            for line in &mut look.lines {
                let Some(key) = line.due.pop_front() else { continue };
                if self.turns().take(&line.function, &key, environments, line.most) {
                    self.begin(line.function.clone(), key);
                    last = Some(lines::end(&line.function));
                    begun = true;
                } else {
                    line.due.clear();
                }
            }
            if !begun {
                break;
            }
        }
        if last.is_some() && look.is_cut {
            self.arrived.notify_one();
        }
        Ok(last.or(look.end))
    }

    /// Runs a row that has its place, unless it is gone.
    fn begin(self: &Arc<Self>, function: Arn, key: Key) {
        let place = Place { queue: Arc::clone(self), function, key };
        // Read behind its place: what has run in the meantime is not there. One that cannot be read does not stop those behind it.
        if let Ok(Some(waiting)) = self.env.store.read(|tx| tx.get::<Waiting>(&place.key)) {
            let queue = Arc::clone(self);
            drop(tokio::spawn(async move {
                queue.run(&place, waiting).await;
                drop(place);
                queue.arrived.notify_one();
            }));
        }
    }

    async fn run(&self, place: &Place, waiting: Waiting) {
        let (next, found) = self.attempt(&waiting).await;
        if self.is_stopping() {
            // Whoever ended the function may have been us, and nobody can be told of its end: it is repeated at the next start.
            return;
        }
        let again = match next {
            Next::Again { at, waiting } => Some((at, waiting)),
            Next::Over { condition, response, why } => {
                if condition != Condition::Success {
                    self.note_dropped(&waiting, why);
                }
                if let Some((function, config)) = found {
                    if waiting.is_loop {
                        self.teller.write_log(&function, &waiting.request_id, why);
                    }
                    self.conclude(&waiting, &function, &config, (condition, response, why)).await;
                    if self.is_stopping() {
                        return;
                    }
                }
                None
            }
            Next::Gone => {
                self.note_dropped(&waiting, "the function is gone");
                None
            }
        };
        let from = place.key.clone();
        let (function, bytes) = (waiting.function, waiting.payload.len());
        // Where the row cannot be moved, it is tried again.
        drop(
            self.env
                .store
                .write(move |tx| {
                    tx.delete::<Waiting>(&from)?;
                    let again = again.as_ref().and_then(|(at, row)| Some((lines::key(*at, row)?, row)));
                    match again {
                        Some((key, row)) => tx.put(&key, row),
                        None => backlog::remove(tx, &function, bytes),
                    }
                })
                .await,
        );
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server is about to end: nothing can be called any more, destinations least of all.
    fn is_stopping(&self) -> bool {
        self.env.kernel().is_err()
    }

    async fn attempt(&self, waiting: &Waiting) -> (Next, Option<(Arc<Function>, EventConfig)>) {
        let (function, config) = match self.function(waiting) {
            Ok(Some((function, config))) if function.creation_id == waiting.creation_id => {
                (Arc::new(function), config)
            }
            Ok(_) => return (Next::Gone, None),
            Err(_) => return (self.later(waiting, &EventConfig::default()), None),
        };
        let next = self.attempt_with(waiting, Arc::clone(&function), &config).await;
        (next, Some((function, config)))
    }

    async fn attempt_with(&self, waiting: &Waiting, function: Arc<Function>, config: &EventConfig) -> Next {
        if waiting.is_loop {
            // AWS: it goes to the dead-letter queue or failure destination, without any try.
            let why = trace::STOPPED;
            return Next::Over { condition: Condition::RetriesExhausted, response: None, why };
        }
        if function.reserved == Some(0) {
            // AWS: with no concurrency at all, requests go to the failure destination without any try.
            let why = "the function's reserved concurrency is zero";
            return Next::Over { condition: Condition::RetriesExhausted, response: None, why };
        }
        let version = function.version;
        let request = Request {
            id: waiting.request_id.clone(),
            invoked: waiting.function.clone(),
            payload: waiting.payload.clone().into(),
            client_context: None,
            trace: waiting.trace.clone(),
            sink: None,
            principal: waiting.principal.clone(),
        };
        match self.invoker.invoke(function, request).await {
            Ok(finished) => match finished.outcome {
                Outcome::Answer(body) => Next::Over {
                    condition: Condition::Success,
                    response: Some(Response { version, failed: false, body }),
                    why: "",
                },
                Outcome::Failure(body) => {
                    self.failed(waiting, config, Response { version, failed: true, body })
                }
            },
            Err(_) => self.later(waiting, config),
        }
    }

    /// Tells who is to be told that a request is over.
    async fn conclude(
        &self,
        waiting: &Waiting,
        function: &Arc<Function>,
        config: &EventConfig,
        (condition, response, why): (Condition, Option<Response>, &'static str),
    ) {
        let all = config.destinations.clone().unwrap_or_default();
        let runs = waiting.failures.saturating_add(usize::from(response.is_some()));
        let ended = Ended {
            request_id: waiting.request_id.clone(),
            condition,
            runs,
            payload: waiting.payload.clone(),
            trace: waiting.trace.clone(),
            is_loop: waiting.is_loop,
            response,
        };
        let dead_letters = function.settings.dead_letters.clone();
        let to = if condition == Condition::Success { all.on_success } else { all.on_failure };
        if let Some(to) = to {
            let invoked = match FunctionRef::of_arn(&waiting.function) {
                Some(at) if at.explicit().is_none() => resource::qualified(&waiting.function, LATEST),
                _ => waiting.function.clone(),
            };
            let record = destination::record(&ended, invoked.as_str(), self.env.clock.now());
            self.teller.tell(function, &to, &ended, Word::Record(record)).await;
        }
        if let (Some(to), false) = (dead_letters, condition == Condition::Success) {
            self.teller.tell(function, &to, &ended, Word::Letter(why)).await;
        }
    }

    fn function(&self, waiting: &Waiting) -> Result<Option<(Function, EventConfig)>, StoreError> {
        let Some(at) = FunctionRef::of_arn(&waiting.function) else { return Ok(None) };
        let mut draw = [0; 8];
        self.env.entropy.fill("lambda.alias-route", &mut draw);
        self.env.store.read(|tx| {
            let function = version::resolve(tx, &at, Some(u64::from_le_bytes(draw)))?;
            let config = EventConfig::find(tx, &at)?.unwrap_or_default();
            Ok(function.map(|function| (function, config)))
        })
    }

    fn failed(&self, waiting: &Waiting, config: &EventConfig, response: Response) -> Next {
        let now = self.env.clock.now();
        let retries = config.retries.and_then(|retries| usize::try_from(retries).ok()).unwrap_or(RETRIES);
        let wait = RETRY_AFTER_S.get(waiting.failures).filter(|_| waiting.failures < retries);
        let Some(wait) = wait else {
            let why = "the function failed at each try";
            return Next::Over { condition: Condition::RetriesExhausted, response: Some(response), why };
        };
        let at = now.plus_seconds(*wait);
        if at > end(waiting, config) {
            let why = "it would be too old at the next try";
            return Next::Over { condition: Condition::EventAgeExceeded, response: Some(response), why };
        }
        Next::Again { at, waiting: Waiting { failures: waiting.failures + 1, ..waiting.clone() } }
    }

    fn later(&self, waiting: &Waiting, config: &EventConfig) -> Next {
        let now = self.env.clock.now();
        if now >= end(waiting, config) {
            let why = "it could not be run in time";
            return Next::Over { condition: Condition::EventAgeExceeded, response: None, why };
        }
        let wait = 2_i64.saturating_pow(waiting.delays).min(BACKOFF_S_MAX);
        let waiting = Waiting { delays: waiting.delays.saturating_add(1), ..waiting.clone() };
        Next::Again { at: now.plus_seconds(wait), waiting }
    }

    fn note_dropped(&self, waiting: &Waiting, why: &str) {
        self.env.audit.event(audit::Event {
            name: "lambda.request-dropped",
            at: self.env.clock.now(),
            place: "lambda.async-queue".to_owned(),
            function: Some(waiting.function.as_str().to_owned()),
            request_id: Some(waiting.request_id.clone()),
            detail: format!("an asynchronous request was dropped: {why}"),
            alarm: None,
        });
    }
}

/// The turn of a row that runs. It is given back however that ends.
#[derive(Debug)]
struct Place {
    queue: Arc<Queue>,
    function: Arn,
    key: Key,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { queue, function, key } = self;
        // Nobody is told: a row that cannot be read, or whose run panicked, is still there and waits for the next look.
        queue.turns().give_back(function, key);
    }
}

/// Until when a request is tried.
fn end(waiting: &Waiting, config: &EventConfig) -> Timestamp {
    waiting.queued_at.plus_seconds(config.age_s.map_or(AGE_S, i64::from))
}
