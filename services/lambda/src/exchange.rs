//! The state of one environment's Runtime API: whose turn it is, and what was handed over.
//!
//! ```text
//!   starting ──next──▶ waiting ──offer──▶ offered ──next──▶ running ──response, error──▶ answered ──next──▶ waiting
//!       └──init/error──▶ failed                                └──response, streamed──▶ streaming ──its end──▶ answered
//!   offered, running, streaming ──the time is over──▶ closed
//! ```
//!
//! Knows nothing of HTTP or processes.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use casemate_sandbox::Tick;
use tokio::sync::watch;

use crate::{
    askers::{Asker, Askers, Line, Waiting},
    invocation::{Invocation, Outcome},
    streaming::Sink,
};

/// Whose turn it is.
#[derive(Debug, Clone)]
enum Turn {
    /// The runtime is starting.
    Starting,
    /// The runtime asked for the next request.
    Waiting,
    /// A request lies ready.
    Offered(Arc<Invocation>),
    /// The runtime works on this request.
    Running { request_id: String },
    /// The runtime's answer to this request is on its way to the caller.
    Streaming { request_id: String },
    /// The runtime has answered and not yet asked for the next.
    Answered { request_id: String },
    /// The runtime said that it cannot start.
    Failed(Bytes),
    /// The request ended without the runtime: nothing is taken of it any more.
    Closed { request_id: String },
}

#[derive(Debug)]
struct State {
    turn: Turn,
    outcome: Option<Outcome>,
    /// Counts the processes that have spoken for the runtime, one after the other.
    era: u64,
    /// Where a streamed answer to the current request goes.
    sink: Option<Sink>,
    /// When the runtime answered last, where that is remembered.
    answered: Option<Tick>,
    /// How often it has answered.
    answers: u64,
    /// What the runtime reported for tracing of the request that failed last.
    cause: Option<String>,
}

impl State {
    fn starting(era: u64, (answered, answers): (Option<Tick>, u64)) -> Self {
        Self { turn: Turn::Starting, outcome: None, era, sink: None, answered, answers, cause: None }
    }

    /// The runtime has answered, and does not know yet that it was heard: what it begins from now on is for the next request.
    fn note_answer(&mut self) {
        self.answers += 1;
        if self.answered.is_some() {
            // One that cannot be told is taken as the last: what asks has begun since then, too.
            self.answered = Tick::now().ok().or(self.answered);
        }
    }
}

/// A call that does not fit the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It names a request that is not the current one.
    UnknownRequest,
    /// It comes at the wrong time.
    WrongTurn,
    /// It asks for a request while one is being worked on.
    Busy,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Exchange {
    state: watch::Sender<State>,
    askers: Arc<Askers>,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::new(State::starting(0, (None, 0))), askers: Arc::default() }
    }

    // The environment's side.

    /// Resolves when the runtime waits for a request; `Err` with its own account when it could not start.
    pub(crate) async fn waiting(&self) -> Result<(), Bytes> {
        let mut changes = self.state.subscribe();
        let state = changes.wait_for(|state| matches!(state.turn, Turn::Waiting | Turn::Failed(_))).await;
        match state.as_deref() {
            Ok(State { turn: Turn::Failed(report), .. }) => Err(report.clone()),
            _ => Ok(()),
        }
    }

    /// Is the runtime waiting for a request?
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state.borrow().turn, Turn::Waiting)
    }

    /// Lays a request ready. `false` when the runtime is not waiting for one.
    pub(crate) fn offer(&self, invocation: Invocation) -> bool {
        self.state.send_if_modified(|state| {
            let ready = matches!(state.turn, Turn::Waiting);
            if ready {
                state.sink.clone_from(&invocation.sink);
                (state.turn, state.outcome) = (Turn::Offered(Arc::new(invocation)), None);
                state.cause = None;
            }
            ready
        })
    }

    /// From now on another process speaks for the runtime: whoever else still waits for a request is turned away.
    pub(crate) fn renew(&self) {
        self.state.send_modify(|state| {
            *state = State::starting(state.era + 1, (state.answered, state.answers));
        });
    }

    /// Resolves with what came of the request that was offered.
    pub(crate) async fn outcome(&self) -> Outcome {
        let mut changes = self.state.subscribe();
        // The sender is this very value, so waiting cannot fail while it is borrowed.
        match changes.wait_for(|state| state.outcome.is_some()).await {
            Ok(state) => state.outcome.clone().unwrap_or_else(Outcome::too_large),
            Err(_) => Outcome::too_large(),
        }
    }

    /// The request has ended; if the runtime has not answered it, it no longer can.
    pub(crate) fn close(&self, request_id: &str) {
        self.state.send_if_modified(|state| {
            let open = match &state.turn {
                Turn::Offered(_) => true,
                Turn::Running { request_id: current } | Turn::Streaming { request_id: current } => {
                    current == request_id
                }
                _ => false,
            };
            if open {
                state.turn = Turn::Closed { request_id: request_id.to_owned() };
                state.sink = None;
            }
            open
        });
    }

    /// From now on it is remembered when the runtime answers.
    pub(crate) fn remember_answers(&self, now: Tick) {
        self.state.send_modify(|state| state.answered = Some(now));
    }

    /// When it answered last, and over which connections made since then it is waited for work; `None`: that is not remembered.
    pub(crate) fn since_answer(&self) -> Option<(Tick, Vec<Vec<SocketAddr>>)> {
        let (answered, answers) = {
            let state = self.state.borrow();
            (state.answered?, state.answers)
        };
        Some((answered, self.askers.since(answers)))
    }

    /// What it reported for tracing of a request that failed, told once.
    pub(crate) fn take_cause(&self) -> Option<String> {
        let mut cause = None;
        self.state.send_if_modified(|state| {
            cause = state.cause.take();
            false
        });
        cause
    }

    // The runtime's side.

    /// Names a connection that has just been made from there.
    pub(crate) fn line(&self, from: SocketAddr) -> Line {
        Line { from, answers: self.state.borrow().answers }
    }

    /// It is waited for work over a connection. To be said before it is asked.
    pub(crate) fn wait(&self, asker: Asker, line: Option<Line>) -> Waiting {
        self.askers.wait(asker, line)
    }

    /// What a runtime reports for tracing, beside the failure that it is about to hand over.
    pub(crate) fn report_cause(&self, request_id: &str, cause: String) {
        self.state.send_if_modified(|state| {
            if matches!(&state.turn, Turn::Running { request_id: current } if current == request_id) {
                state.cause = Some(cause);
            }
            false
        });
    }

    /// The runtime asks for the next request; resolves when there is one.
    pub(crate) async fn next(&self) -> Result<Arc<Invocation>, Refused> {
        let mut changes = self.state.subscribe();
        let (mut refused, mut era) = (None, 0);
        self.state.send_if_modified(|state| {
            era = state.era;
            match state.turn {
                Turn::Starting | Turn::Answered { .. } => {
                    state.turn = Turn::Waiting;
                    true
                }
                Turn::Waiting | Turn::Offered(_) => false,
                Turn::Running { .. } | Turn::Streaming { .. } => {
                    refused = Some(Refused::Busy);
                    false
                }
                Turn::Failed(_) | Turn::Closed { .. } => {
                    refused = Some(Refused::WrongTurn);
                    false
                }
            }
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        loop {
            let due = |state: &State| state.era != era || matches!(state.turn, Turn::Offered(_));
            if changes.wait_for(due).await.map_or(true, |state| state.era != era) {
                return Err(Refused::WrongTurn);
            }
            let mut taken = None;
            self.state.send_if_modified(|state| {
                if state.era == era
                    && let Turn::Offered(invocation) = &state.turn
                {
                    let invocation = Arc::clone(invocation);
                    state.turn = Turn::Running { request_id: invocation.request_id.clone() };
                    taken = Some(invocation);
                }
                taken.is_some()
            });
            if let Some(invocation) = taken {
                return Ok(invocation);
            }
        }
    }

    /// May the runtime hand over something for this request now? Asked before a body is read.
    pub(crate) fn expects(&self, request_id: &str) -> Result<(), Refused> {
        match &self.state.borrow().turn {
            Turn::Running { request_id: current } if current == request_id => Ok(()),
            Turn::Answered { request_id: current }
            | Turn::Streaming { request_id: current }
            | Turn::Closed { request_id: current }
                if current == request_id =>
            {
                Err(Refused::WrongTurn)
            }
            Turn::Running { .. }
            | Turn::Streaming { .. }
            | Turn::Answered { .. }
            | Turn::Closed { .. }
            | Turn::Waiting
            | Turn::Offered(_) => Err(Refused::UnknownRequest),
            Turn::Starting | Turn::Failed(_) => Err(Refused::WrongTurn),
        }
    }

    /// The runtime hands over what came of the current request.
    pub(crate) fn answer(&self, request_id: &str, outcome: Outcome) -> Result<(), Refused> {
        self.expects(request_id)?;
        let taken = self.state.send_if_modified(|state| match &state.turn {
            Turn::Running { request_id: current } if current == request_id => {
                let request_id = current.clone();
                (state.turn, state.outcome) = (Turn::Answered { request_id }, Some(outcome));
                state.sink = None;
                state.note_answer();
                true
            }
            _ => false,
        });
        if taken { Ok(()) } else { Err(Refused::WrongTurn) }
    }

    /// The runtime begins to stream its answer: where it goes, or `None` where whole answers are taken.
    pub(crate) fn begin_stream(&self, request_id: &str) -> Result<Option<Sink>, Refused> {
        self.expects(request_id)?;
        let mut sink = None;
        self.state.send_if_modified(|state| {
            if let Turn::Running { request_id: current } = &state.turn
                && current == request_id
            {
                sink = state.sink.take();
                if sink.is_some() {
                    state.turn = Turn::Streaming { request_id: request_id.to_owned() };
                }
            }
            sink.is_some()
        });
        Ok(sink)
    }

    /// The stream has ended.
    pub(crate) fn streamed(&self, request_id: &str, outcome: Outcome) -> Result<(), Refused> {
        let taken = self.state.send_if_modified(|state| {
            let current =
                matches!(&state.turn, Turn::Streaming { request_id: current } if current == request_id);
            if current {
                state.turn = Turn::Answered { request_id: request_id.to_owned() };
                state.outcome = Some(outcome);
                state.note_answer();
            }
            current
        });
        if taken { Ok(()) } else { Err(Refused::WrongTurn) }
    }

    /// Is the runtime still starting?
    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.state.borrow().turn, Turn::Starting)
    }

    /// The runtime says that it cannot start.
    pub(crate) fn init_failed(&self, report: Bytes) -> Result<(), Refused> {
        let taken = self.state.send_if_modified(|state| {
            let starting = matches!(state.turn, Turn::Starting);
            if starting {
                state.turn = Turn::Failed(report);
            }
            starting
        });
        if taken { Ok(()) } else { Err(Refused::WrongTurn) }
    }
}

#[cfg(test)]
mod tests {
    use casemate_names::{Arn, Timestamp};

    use super::*;

    fn invocation(id: &str) -> Invocation {
        Invocation {
            request_id: id.to_owned(),
            invoked: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap(),
            payload: Bytes::from_static(b"{}"),
            client_context: None,
            trace_id: String::new(),
            deadline: Timestamp::from_millis(0),
            restored: None,
            sink: None,
        }
    }

    fn answer(text: &'static str) -> Outcome {
        Outcome::Answer(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn a_request_goes_round() {
        let exchange = Arc::new(Exchange::new());
        assert!(!exchange.offer(invocation("a")));
        let runtime = tokio::spawn({
            let exchange = Arc::clone(&exchange);
            async move { exchange.next().await }
        });
        exchange.waiting().await.unwrap();
        assert!(exchange.offer(invocation("a")));
        assert!(!exchange.offer(invocation("b")));
        assert_eq!(runtime.await.unwrap().unwrap().request_id, "a");
        exchange.answer("a", answer("1")).unwrap();
        assert_eq!(exchange.outcome().await, answer("1"));
    }

    #[tokio::test]
    async fn answers_to_other_requests_and_second_answers_are_refused() {
        let exchange = Exchange::new();
        assert_eq!(exchange.answer("a", answer("0")), Err(Refused::WrongTurn));
        let (taken, ()) = tokio::join!(exchange.next(), async {
            exchange.waiting().await.unwrap();
            exchange.offer(invocation("a"));
        });
        taken.unwrap();
        assert_eq!(exchange.answer("b", answer("2")), Err(Refused::UnknownRequest));
        exchange.answer("a", answer("1")).unwrap();
        assert_eq!(exchange.answer("a", answer("3")), Err(Refused::WrongTurn));
        assert_eq!(exchange.outcome().await, answer("1"));
    }

    #[tokio::test]
    async fn asking_for_more_while_one_runs_is_refused() {
        let exchange = Exchange::new();
        let (taken, ()) = tokio::join!(exchange.next(), async {
            exchange.waiting().await.unwrap();
            exchange.offer(invocation("a"));
        });
        taken.unwrap();
        assert_eq!(exchange.next().await.unwrap_err(), Refused::Busy);
    }

    async fn running(exchange: &Exchange, invocation: Invocation) {
        let (taken, ()) = tokio::join!(exchange.next(), async {
            exchange.waiting().await.unwrap();
            exchange.offer(invocation);
        });
        taken.unwrap();
    }

    #[tokio::test]
    async fn what_comes_after_the_end_is_refused() {
        let exchange = Exchange::new();
        running(&exchange, invocation("a")).await;
        exchange.close("a");
        assert_eq!(exchange.answer("a", answer("1")), Err(Refused::WrongTurn));
        assert_eq!(exchange.answer("b", answer("1")), Err(Refused::UnknownRequest));
        assert_eq!(exchange.next().await.unwrap_err(), Refused::WrongTurn);
    }

    #[tokio::test]
    async fn a_stream_is_the_only_answer_and_ends_once() {
        let exchange = Exchange::new();
        let (sink, _pieces) = tokio::sync::mpsc::channel(1);
        running(&exchange, Invocation { sink: Some(sink), ..invocation("a") }).await;
        assert_eq!(exchange.begin_stream("b").unwrap_err(), Refused::UnknownRequest);
        assert!(exchange.begin_stream("a").unwrap().is_some());
        assert_eq!(exchange.begin_stream("a").unwrap_err(), Refused::WrongTurn);
        assert_eq!(exchange.answer("a", answer("1")), Err(Refused::WrongTurn));
        assert_eq!(exchange.next().await.unwrap_err(), Refused::Busy);
        exchange.streamed("a", answer("")).unwrap();
        assert_eq!(exchange.streamed("a", answer("2")), Err(Refused::WrongTurn));
        assert_eq!(exchange.outcome().await, answer(""));
    }

    #[tokio::test]
    async fn a_stream_that_outlives_its_request_is_refused() {
        let exchange = Exchange::new();
        let (sink, _pieces) = tokio::sync::mpsc::channel(1);
        running(&exchange, Invocation { sink: Some(sink), ..invocation("a") }).await;
        exchange.begin_stream("a").unwrap();
        exchange.close("a");
        assert_eq!(exchange.streamed("a", answer("")), Err(Refused::WrongTurn));
    }

    #[tokio::test]
    async fn of_two_that_ask_one_gets_the_request() {
        let exchange = Arc::new(Exchange::new());
        let ask = || {
            let exchange = Arc::clone(&exchange);
            tokio::spawn(async move { exchange.next().await.unwrap().request_id.clone() })
        };
        let (mut first, mut second) = (ask(), ask());
        exchange.waiting().await.unwrap();
        exchange.offer(invocation("a"));
        let got = tokio::select! { id = &mut first => id, id = &mut second => id };
        assert_eq!(got.unwrap(), "a");
        assert_eq!(exchange.expects("a"), Ok(()));
    }

    #[tokio::test]
    async fn who_asked_before_another_process_took_over_gets_nothing() {
        let exchange = Arc::new(Exchange::new());
        let ask = || {
            let exchange = Arc::clone(&exchange);
            tokio::spawn(async move { exchange.next().await.map(|taken| taken.request_id.clone()) })
        };
        let earlier = ask();
        exchange.waiting().await.unwrap();
        exchange.renew();
        let later = ask();
        exchange.waiting().await.unwrap();
        assert!(exchange.offer(invocation("a")));
        assert_eq!(later.await.unwrap().unwrap(), "a");
        assert_eq!(earlier.await.unwrap().unwrap_err(), Refused::WrongTurn);
    }

    #[tokio::test]
    async fn a_failed_start_is_told_once_and_only_while_starting() {
        let exchange = Exchange::new();
        exchange.init_failed(Bytes::from_static(b"why")).unwrap();
        assert_eq!(exchange.waiting().await.unwrap_err(), "why");
        assert_eq!(exchange.init_failed(Bytes::new()), Err(Refused::WrongTurn));
        assert_eq!(exchange.next().await.unwrap_err(), Refused::WrongTurn);
    }
}
