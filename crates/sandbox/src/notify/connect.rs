//! What becomes of a process's `connect`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::time::Instant;

use super::{Answering, Boundary, Question, Verdict, address, unix};
use crate::{
    egress::{self, Gateway, Prospect, Refusal, Ruling},
    spec::Event,
    sys::socket,
};

/// What is known at once, or that the answer comes later.
pub(super) enum Outcome {
    Now(Verdict, Option<Event>),
    Later,
}

/// The way out of one environment, and the runtime it works in.
#[derive(Debug)]
pub(crate) struct WayOut {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) runtime: tokio::runtime::Handle,
}

pub(super) fn judge(
    question: &Question,
    boundary: &Boundary,
    out: Option<&WayOut>,
    answering: &Answering,
) -> Outcome {
    let [_, at, length, ..] = question.data.args;
    let pid = question.pid;
    let Some(to) = address(pid, at, length) else {
        // Unix sockets and unreadable addresses. The empty network namespace is the barrier: a process that changes its
        // address after we looked finds no route, and what a Unix socket's name says is only recorded.
        let event = unix::beyond(pid, (at, length), boundary);
        return Outcome::Now(Verdict::GoOn, event);
    };
    let prospect = match out {
        Some(out) => (Some(out), out.gateway.prospect(to, Instant::now())),
        // Loopback of the environment's own namespace: the same barrier.
        None if egress::is_loopback(to.ip()) => (None, Prospect::Known(Ruling::Inside)),
        None => (None, Prospect::Known(Ruling::Denied)),
    };
    let (out, allowed) = match prospect {
        (_, Prospect::Known(Ruling::Inside)) => return Outcome::Now(Verdict::GoOn, None),
        (Some(out), Prospect::Known(Ruling::Allowed(allowed))) => (out, Some(allowed)),
        (Some(out), Prospect::Asked) => (out, None),
        _ => return denied(pid, to),
    };
    // Taken before the question is known to be still asked; used only if it is.
    let Ok(own) = socket::of_process(pid, question.data.args.first().copied().unwrap_or(u64::MAX)) else {
        return Outcome::Now(Verdict::Refuse(libc::EBADF), None);
    };
    if !answering.is_asked(question.id) {
        return Outcome::Now(Verdict::Refuse(libc::EINTR), None);
    }
    if !socket::is_tcp(&own) {
        // What nobody has been asked about is judged as where there is no way out.
        let inside = allowed.is_none() && egress::is_loopback(to.ip());
        return if inside { Outcome::Now(Verdict::GoOn, None) } else { denied(pid, to) };
    }
    let (gateway, answering, id) = (Arc::clone(&out.gateway), answering.clone(), question.id);
    // Whoever is asked records what he allows.
    if let Some(allowed) = allowed {
        answering.record(Event::Connecting { pid, address: to, name: allowed.name });
    }
    let work = async move {
        let verdict = match gateway.connect(pid, &own, outside(to)).await {
            Ok(()) => Verdict::Done,
            Err(Refusal::Number(number)) => Verdict::Refuse(number),
            Err(Refusal::Inside) => Verdict::GoOn,
        };
        // A process that is gone meanwhile needs no answer.
        let _ = answering.send(id, &verdict);
    };
    out.gateway.run(work, &out.runtime);
    Outcome::Later
}

fn denied(pid: u32, to: SocketAddr) -> Outcome {
    Outcome::Now(Verdict::Refuse(libc::ENETUNREACH), Some(Event::ConnectDenied { pid, address: to }))
}

/// An address as the supervisor connects to it.
fn outside(to: SocketAddr) -> SocketAddr {
    let ip: IpAddr = to.ip().to_canonical();
    SocketAddr::new(ip, to.port())
}
