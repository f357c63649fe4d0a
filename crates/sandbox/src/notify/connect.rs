//! What becomes of a process's `connect`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::time::Instant;

use super::{Answering, Question, Verdict, address};
use crate::{
    egress::{self, Gateway},
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

pub(super) fn judge(question: &Question, out: Option<&WayOut>, answering: &Answering) -> Outcome {
    let [_, at, length, ..] = question.data.args;
    let pid = question.pid;
    let Some(to) = address(pid, at, length) else {
        // Unix sockets and unreadable addresses. The empty network namespace is the barrier: a process that changes its
        // address after we looked finds no route.
        return Outcome::Now(Verdict::GoOn, None);
    };
    let allowed = out.and_then(|out| Some((out, out.gateway.allows(to, Instant::now())?)));
    let inside = egress::is_loopback(to.ip());
    let (out, allowed) = match allowed {
        Some(allowed) if !(inside && is_own(to)) => allowed,
        // Loopback of the environment's own namespace: the same barrier.
        _ if inside => return Outcome::Now(Verdict::GoOn, None),
        _ => {
            let event = Event::ConnectDenied { pid, address: to };
            return Outcome::Now(Verdict::Refuse(libc::ENETUNREACH), Some(event));
        }
    };
    // Taken before the question is known to be still asked; used only if it is.
    let Ok(own) = socket::of_process(pid, question.data.args.first().copied().unwrap_or(u64::MAX)) else {
        return Outcome::Now(Verdict::Refuse(libc::EBADF), None);
    };
    if !answering.is_asked(question.id) {
        return Outcome::Now(Verdict::Refuse(libc::EINTR), None);
    }
    if !socket::is_tcp(&own) {
        let event = Event::ConnectDenied { pid, address: to };
        return Outcome::Now(Verdict::Refuse(libc::ENETUNREACH), Some(event));
    }
    let (gateway, answering, id) = (Arc::clone(&out.gateway), answering.clone(), question.id);
    answering.record(Event::Connecting { pid, address: to, name: allowed.name });
    let work = async move {
        let verdict =
            gateway.connect(&own, outside(to)).await.map_or_else(Verdict::Refuse, |()| Verdict::Done);
        // A process that is gone meanwhile needs no answer.
        let _ = answering.send(id, &verdict);
    };
    out.gateway.run(work, &out.runtime);
    Outcome::Later
}

/// The environment's own listeners are never anybody else's.
fn is_own(to: SocketAddr) -> bool {
    [crate::spec::RUNTIME_API_PORT, crate::spec::AWS_ENDPOINT_PORT, egress::RELAY_PORT, egress::RESOLVER_PORT]
        .contains(&to.port())
}

/// An address as the supervisor connects to it.
fn outside(to: SocketAddr) -> SocketAddr {
    let ip: IpAddr = to.ip().to_canonical();
    SocketAddr::new(ip, to.port())
}
