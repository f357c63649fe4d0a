//! Answers that are handed on while the function still makes them.
//!
//! ```text
//!   Runtime API ──Piece──▶ Streaming ──▶ whoever asked
//!   the request's task ──Finished──▶ ┘ (after the last piece)
//! ```
//! Knows neither how pieces arrive nor how they are framed for the caller.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    api::Error,
    function::Function,
    invocation::Finished,
    invoker::{Invoker, Request},
};

/// Pieces that wait for the caller. Ours: bounds memory; the runtime waits.
const PIECES_WAITING_MAX: usize = 4;

/// Where the Runtime API puts a streamed answer.
pub(crate) type Sink = mpsc::Sender<Piece>;

/// A part of a streamed answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// It begins; the content type as the runtime gave it.
    Begun(Option<String>),
    /// Some of it.
    Data(Bytes),
}

/// What comes next of an answer.
#[derive(Debug)]
pub(crate) enum Next {
    Piece(Piece),
    /// Nothing more. Where pieces came before, an answer here is empty; otherwise it is the whole one.
    End(Finished),
    /// The request's task is gone.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Streaming {
    pieces: mpsc::Receiver<Piece>,
    work: Option<JoinHandle<Result<Finished, Error>>>,
    first: Option<Next>,
    finished: Option<Finished>,
}

impl Streaming {
    /// Starts the request and waits for the first sign of an answer. What keeps the request from running at all is an
    /// error here. Where `with_log`, its end waits for that of the log.
    pub(crate) async fn begin(
        invoker: &Arc<Invoker>,
        function: Arc<Function>,
        mut request: Request,
        with_log: bool,
    ) -> Result<Self, Error> {
        let (sink, pieces) = mpsc::channel(PIECES_WAITING_MAX);
        request.sink = Some(sink);
        let invoker = Arc::clone(invoker);
        let work = tokio::spawn(async move { invoker.invoke_logged(function, request, with_log).await });
        let mut streaming = Self { pieces, work: Some(work), first: None, finished: None };
        streaming.first = Some(streaming.wait().await?);
        Ok(streaming)
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Next {
        match self.first.take() {
            Some(first) => first,
            None => self.wait().await.unwrap_or(Next::Lost),
        }
    }

    async fn wait(&mut self) -> Result<Next, Error> {
        if let Some(work) = &mut self.work {
            tokio::select! {
                biased;
                Some(piece) = self.pieces.recv() => return Ok(Next::Piece(piece)),
                ended = work => {
                    self.work = None;
                    let Ok(finished) = ended else { return Ok(Next::Lost) };
                    self.finished = Some(finished?);
                }
            }
        }
        // What was put in before the end comes before the end.
        if let Ok(piece) = self.pieces.try_recv() {
            return Ok(Next::Piece(piece));
        }
        Ok(self.finished.take().map_or(Next::Lost, Next::End))
    }
}
