//! What the platform writes into functions' logs of requests nobody waits for.
//!
//! One stream for each function as it stands and each day, for as long as there is something to write: whoever fails a
//! thousand times has one stream, and a role that may not write is refused once a minute, not once for each request.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_kernel::Env;
use casemate_names::hex_id;

use crate::{
    delivery::{Delivery, Whose},
    environment::log_stream,
    farewells::Farewells,
    function::Function,
};

/// Streams held open. Ours: a task each; beyond it the one that has been silent longest is left.
const STREAMS_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Log {
    env: Env,
    /// Those written last are at the end.
    streams: Mutex<VecDeque<Stream>>,
}

#[derive(Debug)]
struct Stream {
    /// The function with its version.
    arn: String,
    /// Another role writes from another revision on.
    revision_id: String,
    day: i64,
    delivery: Delivery,
}

impl Log {
    pub(super) fn new(env: &Env) -> Self {
        Self { env: env.clone(), streams: Mutex::default() }
    }

    /// Writes a line of the platform's into the function's log.
    pub(super) fn write(&self, function: &Arc<Function>, request_id: &str, text: &str) {
        let now = self.env.clock.now();
        self.delivery(function, now.seconds().div_euclid(DAY_S)).send(
            now,
            format!("RequestId: {request_id} {text}"),
            Whose::Platforms,
        );
    }

    fn delivery(&self, function: &Arc<Function>, day: i64) -> Delivery {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let is_its = |stream: &Stream| {
            stream.day == day
                && stream.arn == function.arn.as_str()
                && stream.revision_id == function.revision_id
        };
        let known = streams.iter().position(is_its).and_then(|at| streams.remove(at));
        let stream = known.unwrap_or_else(|| self.open(function, day));
        let delivery = stream.delivery.clone();
        if streams.len() == STREAMS_MAX {
            streams.pop_front();
        }
        streams.push_back(stream);
        delivery
    }

    fn open(&self, function: &Arc<Function>, day: i64) -> Stream {
        let id = hex_id(&*self.env.entropy, "lambda.destination-log", 32);
        let name = log_stream(self.env.clock.now(), function.version, &id);
        // Requests that wait end with the server; it does not wait for what is said of them.
        let delivery = Delivery::start(&self.env, Arc::clone(function), name, &Farewells::default());
        Stream {
            arn: function.arn.as_str().to_owned(),
            revision_id: function.revision_id.clone(),
            day,
            delivery,
        }
    }
}

const DAY_S: i64 = 86_400;
