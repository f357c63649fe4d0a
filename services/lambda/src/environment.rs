//! One execution environment: a sandbox that runs one revision of one function under its execution role.
//!
//! ```text
//!   start ──first next──▶ ready ──request──▶ working ──answer and next──▶ ready ──▶ frozen ──▶ ready …
//!     │                                         │
//!     └── report, exit, 10 s ──▶ over ◀── time-out, exit, no next in time; credentials end; function changed; unused
//! ```
//! "Over" is final: the process is killed and the role's credentials are revoked. Whatever happens, they go with the value.

mod assembly;
mod between;
mod ending;
mod extensions;
mod fork;
mod image;
mod init;
mod initialised;
mod late;
mod machine;
mod not_started;
mod renewal;
mod request;
mod root;
mod snapshot;
mod start;
mod texts;
mod wiring;
mod witness;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use casemate_kernel::{Decoy, Env, SessionCredentials};
use casemate_names::Timestamp;
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

pub(crate) use ending::EXTERNAL_LIMIT;
pub(crate) use late::Late;
pub(crate) use machine::unix_ns;
pub(crate) use not_started::NotStarted;
pub(crate) use snapshot::NotRestored;
pub(crate) use start::{Host, Order, log_stream};
pub(crate) use texts::{exit_text, start_report};

use request::Unreported;
use snapshot::Snapshot;

use crate::{
    credentials::Endpoint,
    duty::Duty,
    event::Attribution,
    exchange::Exchange,
    extensions::{Extensions, Reason},
    fair::{Fair, Place},
    farewells::Farewells,
    forking::Forks,
    function::Function,
    isolate::Isolate,
    output::Output,
    packages::Folder,
    restored::Restored,
    restoring::Restoring,
    telemetry::Telemetry,
    variables_key::Access,
};

/// Credentials must outlive a request by this much, seconds.
const CREDENTIALS_MARGIN_S: i64 = 60;

/// See the module.
#[derive(Debug)]
pub(crate) struct Environment {
    /// What it runs.
    pub(crate) function: Arc<Function>,
    /// What its credentials are bound to.
    id: String,
    held: Mutex<Held>,
    env: Env,
    sandbox: Arc<Isolate>,
    exchange: Arc<Exchange>,
    extensions: Arc<Extensions>,
    telemetry: Arc<Telemetry>,
    /// Why it ends, for extensions.
    ending: Mutex<Reason>,
    /// When the time of the last request is over.
    deadline: Mutex<Option<Instant>>,
    output: Output,
    attribution: Attribution,
    /// Whether its credentials are of use.
    duty: Duty,
    /// How long the start took, until a request has reported it.
    init: Mutex<Option<Duration>>,
    /// A request that has been answered and not yet reported.
    unreported: Mutex<Option<Unreported>>,
    busy: AtomicBool,
    /// Told to a freezing that is still under way.
    wanted: Notify,
    /// Whether it is, or may be, frozen.
    frozen: tokio::sync::Mutex<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Where there is a template: each request runs in a child of it.
    forks: Option<Arc<Forks>>,
    /// Where its machine begins from a version's snapshot, or becomes it.
    restoring: Option<Arc<Restoring>>,
    /// Where its processes fetch their credentials, if not from their variables.
    endpoint: Option<Arc<Endpoint>>,
    /// How many left-over processes have been ended.
    strays: AtomicUsize,
    /// What the package, a layer or the image brings as its runtime; empty where the host has it.
    program: String,
    /// Where it begins from a snapshot.
    snapshot: Option<Snapshot>,
    /// What its process is told, with the first request or when it is restored, if it goes on from a machine's template.
    restored: Mutex<Option<Arc<Restored>>>,
    /// Whether its processes may have what a key hides.
    access: Access,
    folders: Vec<Arc<Folder>>,
    berth: Option<Berth>,
    /// Known as long as it lies here.
    decoy: Option<Decoy>,
    /// Turns for environments that end with a word to their extensions.
    farewells: Farewells,
}

/// Room for environments on this host.
pub(crate) type Room = Fair<Arc<Environment>>;

/// Room for one of them.
pub(crate) type Berth = Place<Arc<Environment>>;

/// What an environment's processes may speak as.
#[derive(Debug)]
struct Held {
    access_key_id: Option<String>,
    end: Timestamp,
}

impl Held {
    /// Without credentials it has none to lose.
    fn of(credentials: Option<SessionCredentials>) -> Self {
        match credentials {
            Some(held) => Self { access_key_id: Some(held.access_key_id), end: held.expires_at },
            None => Self { access_key_id: None, end: Timestamp::from_millis(0) },
        }
    }
}

/// Why nothing came of a request that an environment was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRun {
    /// It cannot take a request: it ended while it was idle. The function has seen nothing of it.
    Unfit,
    /// It was lost while the function worked, and not through the function: the spawner went, or its machine did. How far the
    /// function came nobody knows, so that only who asked can ask again.
    Lost,
}

impl Environment {
    /// When its credentials end.
    pub(crate) fn credentials_end(&self) -> Timestamp {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).end
    }

    /// Is it of exactly this revision, and good for a whole request more?
    pub(crate) fn fits(&self, function: &Function, now: Timestamp) -> bool {
        let needed = now.plus_seconds(i64::from(function.settings.timeout_s) + CREDENTIALS_MARGIN_S);
        self.function.arn == function.arn
            && self.function.revision_id == function.revision_id
            // What is restored gets new ones for each request.
            && (self.is_snapshot() || self.credentials_end() > needed)
    }

    /// Does each request run in a process that has served no other?
    pub(crate) fn is_template(&self) -> bool {
        self.forks.is_some() && self.snapshot.as_ref().is_none_or(|snapshot| snapshot.once)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if let Some(farewell) = self.farewell() {
            drop(tokio::spawn(farewell.say()));
            return;
        }
        self.sandbox.kill();
        for task in &self.tasks {
            task.abort();
        }
        self.revoke();
    }
}
