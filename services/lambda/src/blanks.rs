//! Processes that were started before it is known for which function: the runtime and our bootstrap are loaded, no code, no
//! variables, no credentials. Each becomes the environment of one function, once, and never comes back here.
//!
//! A few are kept for each runtime that was used lately. They take no function's room: there are never more than
//! [`EACH`] for a runtime, and they are the first to go where memory runs short.
//!
//! What a process has read when it starts cannot be changed later: functions that want it otherwise get a new process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use casemate_names::Timestamp;
use casemate_sandbox::{Blank, Family};
use tokio::net::TcpStream;

use crate::{
    controls::{Client, Controls, Exec},
    function::Settings,
};

/// Blanks of a runtime. Ours: each costs some 10 MB and is replaced in a tenth of a second.
const EACH: usize = 3;
/// How long after its last use a runtime has blanks, seconds. As long as an idle environment of a function stays.
const KEPT_S: i64 = crate::pool::IDLE_S_MAX;
/// The size of `/tmp` in a blank, in MB.
// AWS: the default of functions.
pub(crate) const TMP_MB: u32 = 512;

/// Variables that an interpreter, its libraries or the loader read when a process starts, by the beginnings of their names …
const READ_AT_START: [&str; 17] = [
    "NODE_",
    "PYTHON",
    "UV_",
    "LD_",
    "LC_",
    "LANG",
    "TZ",
    "SSL_",
    "OPENSSL_",
    "MALLOC_",
    "GLIBC_",
    "HOME",
    "RES_OPTIONS",
    "LOCALDOMAIN",
    "LOCPATH",
    "GCONV_PATH",
    "ICU_",
];
/// … except these, which libraries read when they like.
const READ_LATER: [&str; 1] = ["NODE_ENV"];

/// A blank that waits to be told, and the connection over which it asks.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) blank: Blank,
    pub(crate) speaker: TcpStream,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Blanks {
    stocks: Mutex<BTreeMap<String, Stock>>,
}

/// What there is of one runtime.
#[derive(Debug)]
struct Stock {
    waiting: Vec<Waiting>,
    starting: bool,
    kept_until: Timestamp,
}

impl Stock {
    fn is_short(&self, now: Timestamp) -> bool {
        !self.starting && self.waiting.len() < EACH && now < self.kept_until
    }
}

impl Blanks {
    /// A blank of this runtime, if there is one; and the runtime is used.
    pub(crate) fn take(&self, runtime: &str, now: Timestamp) -> Option<Waiting> {
        let mut stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_until = now.plus_seconds(KEPT_S);
        let new = || Stock { waiting: Vec::new(), starting: false, kept_until };
        let stock = stocks.entry(runtime.to_owned()).or_insert_with(new);
        stock.kept_until = kept_until;
        stock.waiting.retain(|one| !one.blank.is_over());
        stock.waiting.pop()
    }

    /// A runtime that has too few; answered once, until [`Self::started`].
    pub(crate) fn missing(&self, now: Timestamp) -> Option<String> {
        let mut stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
        // One at a time: what starts ahead must not hold up what starts for a request.
        if stocks.values().any(|stock| stock.starting) {
            return None;
        }
        let (runtime, stock) = stocks.iter_mut().find(|(_, stock)| stock.is_short(now))?;
        stock.starting = true;
        Some(runtime.clone())
    }

    /// A blank has been started, or could not be.
    pub(crate) fn started(&self, runtime: &str, waiting: Option<Waiting>) {
        let mut stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stock) = stocks.get_mut(runtime) else { return };
        stock.starting = false;
        stock.waiting.extend(waiting);
    }

    /// Ends those of runtimes that are not used any more; where memory runs short, all.
    pub(crate) fn reclaim(&self, now: Timestamp, short: bool) {
        let mut gone = Vec::new();
        {
            let mut stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
            for stock in stocks.values_mut().filter(|stock| short || now >= stock.kept_until) {
                gone.append(&mut stock.waiting);
            }
        }
        // Outside of the lock: dropping ends the process.
        drop(gone);
    }
}

/// Can a blank become an environment of a function with these settings?
pub(crate) fn suits(family: Family, settings: &Settings, controls: &Controls) -> bool {
    let late = |name: &str| {
        READ_LATER.contains(&name) || !READ_AT_START.iter().any(|beginning| name.starts_with(beginning))
    };
    let layers = match family {
        Family::Node => true,
        // A layer may bring a `sitecustomize.py`, which the interpreter runs when it starts.
        Family::Python => settings.layers.is_empty(),
        Family::Ruby | Family::Java | Family::Provided => false,
    };
    layers
        && settings.tmp_mb == TMP_MB
        && controls.exec.as_ref().is_none_or(|exec| *exec == Exec::Deny)
        && controls.egress.is_empty()
        && controls.client == Client::Own
        && settings.variables.iter().flatten().all(|(name, _)| late(name))
}

#[cfg(test)]
mod tests {
    use casemate_names::{Arn, Secret};
    use casemate_sandbox::EgressRules;

    use super::*;
    use crate::controls::Reuse;

    fn settings(variables: &[&str]) -> Settings {
        let pair = |name: &&str| ((*name).to_owned(), Secret::new("x".to_owned()));
        Settings {
            sealed: None,
            runtime: "nodejs20.x".to_owned(),
            role: Arn::parse("arn:aws:iam::123456789012:role/r").unwrap(),
            handler: "index.handler".to_owned(),
            description: String::new(),
            timeout_s: 3,
            memory_mb: 128,
            tmp_mb: TMP_MB,
            variables: Some(variables.iter().map(pair).collect()),
            tracing: "PassThrough".to_owned(),
            log_group: None,
            logging: crate::logging::Logging::default(),
            dead_letters: None,
            layers: Vec::new(),
            snap_start: false,
        }
    }

    #[test]
    fn a_blank_is_for_functions_that_want_nothing_it_cannot_become() {
        let plain = Controls::default();
        let is_fine = |settings: &Settings, controls: &Controls| suits(Family::Node, settings, controls);
        assert!(is_fine(&settings(&["TABLE", "NODE_ENV", "tz"]), &plain));
        for name in [
            "NODE_OPTIONS",
            "NODE_ENVIRONMENT",
            "LD_PRELOAD",
            "HOME",
            "GCONV_PATH",
            "TZ",
            "LANG",
            "LC_ALL",
            "UV_THREADPOOL_SIZE",
            "PYTHONHASHSEED",
        ] {
            assert!(!is_fine(&settings(&["TABLE", name]), &plain), "{name}");
        }
        assert!(!is_fine(&Settings { tmp_mb: 513, ..settings(&[]) }, &plain));
        for other in [Family::Ruby, Family::Java, Family::Provided] {
            assert!(!suits(other, &settings(&[]), &plain), "{other:?}");
        }
        assert!(is_fine(
            &settings(&[]),
            &Controls { exec: Some(Exec::Deny), reuse: Reuse::PerInvocation, ..Controls::default() }
        ));
        for other in [
            Controls { exec: Some(Exec::Audit), ..Controls::default() },
            Controls { exec: Some(Exec::List(vec!["/var/task/a".to_owned()])), ..Controls::default() },
            Controls { egress: EgressRules::parse("example.com:443").unwrap(), ..Controls::default() },
            Controls { client: Client::Aws, ..Controls::default() },
        ] {
            assert!(!is_fine(&settings(&[]), &other), "{other:?}");
        }
    }

    #[test]
    fn a_runtime_that_is_used_is_stocked_one_at_a_time_and_only_while_it_is_used() {
        let blanks = Blanks::default();
        let now = Timestamp::from_millis(0);
        assert_eq!(blanks.missing(now), None);
        assert!(blanks.take("nodejs20.x", now).is_none());
        assert_eq!(blanks.missing(now).as_deref(), Some("nodejs20.x"));
        assert_eq!(blanks.missing(now), None);
        blanks.started("nodejs20.x", None);
        assert_eq!(blanks.missing(now).as_deref(), Some("nodejs20.x"));
        blanks.started("nodejs20.x", None);
        assert_eq!(blanks.missing(now.plus_seconds(KEPT_S)), None);
    }
}
