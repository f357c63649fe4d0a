//! Asynchronous requests: durable rows in the order they are due, run by one task, tried again when the function fails.
//!
//! A row is removed when its request is done for, so a crash repeats a request rather than losing it.
// AWS: asynchronous invocation is at least once, too.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casemate_kernel::{Env, audit};
use casemate_names::{Arn, Timestamp};
use casemate_store::{Key, Row, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    api::Error,
    function::Function,
    invocation::Outcome,
    invoker::{Invoker, Request},
    resource::FunctionRef,
};

/// Waits before the second and third try, seconds.
// AWS: "two retries … one minute between the first two attempts, and two minutes between the second and third".
const RETRY_AFTER_S: [i64; 2] = [60, 120];
/// How long a request that finds no room or no environment is tried, seconds.
// AWS: up to 6 hours.
const AGE_S_MAX: i64 = 21_600;
/// Longest wait between such tries, seconds.
// AWS: backoff from 1 second to 5 minutes.
const BACKOFF_S_MAX: i64 = 300;
/// Queued requests that run at once. Ours: leaves room for those whose callers wait.
const RUNNING_MAX: usize = 16;
/// The queue is looked at at least this often: retries wait for minutes, and reading the first rows costs microseconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A waiting request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
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
    arrived: Notify,
    running: Mutex<BTreeSet<Key>>,
}

/// What becomes of a request after a try.
enum Next {
    Done,
    Again { at: Timestamp, waiting: Waiting },
    Dropped(&'static str),
}

impl Queue {
    pub(crate) fn new(env: &Env, invoker: Arc<Invoker>) -> Self {
        Self { env: env.clone(), invoker, arrived: Notify::new(), running: Mutex::default() }
    }

    /// Accepts a request: durable when it resolves.
    pub(crate) async fn accept(&self, function: &Arn, request: Request, now: Timestamp) -> Result<(), Error> {
        let waiting = Waiting {
            function: function.clone(),
            request_id: request.id,
            payload: request.payload.to_vec(),
            queued_at: now,
            failures: 0,
            delays: 0,
            principal: request.principal,
        };
        let key = key(now, &waiting.request_id);
        self.env.store.write(move |tx| tx.put(&key, &waiting)).await?;
        self.arrived.notify_one();
        Ok(())
    }

    /// Runs what is due for as long as the kernel runs.
    pub(crate) async fn work(self: Arc<Self>) {
        while self.env.kernel().is_ok() {
            // What cannot be read now is read at the next look.
            let _ = self.begin_due(self.env.clock.now());
            drop(tokio::time::timeout(LOOK_EVERY, self.arrived.notified()).await);
        }
    }

    /// Begins what is due.
    fn begin_due(self: &Arc<Self>, now: Timestamp) -> Result<(), StoreError> {
        let first = self.env.store.read(|tx| tx.scan::<Waiting>(&Key::global(), None, RUNNING_MAX * 4))?;
        for (key, waiting) in first {
            let due = key.number_at(0).and_then(|ms| i64::try_from(ms).ok()).map(Timestamp::from_millis);
            if due.is_some_and(|due| due > now) {
                break;
            }
            {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                if running.len() >= RUNNING_MAX || !running.insert(key.clone()) {
                    continue;
                }
            }
            let queue = Arc::clone(self);
            drop(tokio::spawn(async move { queue.run(key, waiting).await }));
        }
        Ok(())
    }

    async fn run(&self, place: Key, waiting: Waiting) {
        let next = self.attempt(&waiting).await;
        let from = place.clone();
        let moved = self
            .env
            .store
            .write(move |tx| {
                tx.delete::<Waiting>(&from)?;
                if let Next::Again { at, waiting } = &next {
                    tx.put(&key(*at, &waiting.request_id), waiting)?;
                }
                Ok::<_, StoreError>(match next {
                    Next::Dropped(why) => Some(why),
                    Next::Done | Next::Again { .. } => None,
                })
            })
            .await;
        if let Ok(Some(why)) = moved {
            self.note_dropped(&waiting, why);
        }
        // Also where the row could not be moved: it is then tried again.
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        self.arrived.notify_one();
    }

    async fn attempt(&self, waiting: &Waiting) -> Next {
        let function = match self.function(waiting) {
            Ok(Some(function)) => Arc::new(function),
            Ok(None) => return Next::Dropped("the function is gone"),
            Err(_) => return self.later(waiting),
        };
        let request = Request {
            id: waiting.request_id.clone(),
            payload: waiting.payload.clone().into(),
            client_context: None,
            principal: waiting.principal.clone(),
        };
        match self.invoker.invoke(function, request).await {
            Ok(finished) => match finished.outcome {
                Outcome::Answer(_) => Next::Done,
                Outcome::Failure(_) => self.failed(waiting),
            },
            Err(_) => self.later(waiting),
        }
    }

    fn function(&self, waiting: &Waiting) -> Result<Option<Function>, StoreError> {
        let Some(at) = FunctionRef::of_arn(&waiting.function) else { return Ok(None) };
        self.env.store.read(|tx| tx.get::<Function>(&at.key()))
    }

    fn failed(&self, waiting: &Waiting) -> Next {
        let now = self.env.clock.now();
        match RETRY_AFTER_S.get(waiting.failures) {
            Some(wait) => Next::Again {
                at: now.plus_seconds(*wait),
                waiting: Waiting { failures: waiting.failures + 1, ..waiting.clone() },
            },
            None => Next::Dropped("the function failed three times"),
        }
    }

    fn later(&self, waiting: &Waiting) -> Next {
        let now = self.env.clock.now();
        if now >= waiting.queued_at.plus_seconds(AGE_S_MAX) {
            return Next::Dropped("it could not be run for six hours");
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

fn key(due: Timestamp, request_id: &str) -> Key {
    Key::global().number(u64::try_from(due.millis()).unwrap_or_default()).text(request_id)
}
