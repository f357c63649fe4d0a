//! Between two requests of a template: the child is ended with everything it left, its credentials are revoked, and the next
//! child is made, which then waits for its request as the template left it.

use std::{sync::PoisonError, time::Duration};

use casemate_names::hex_id;
use casemate_sandbox::Exit;

use super::{Environment, NotStarted};

/// How long a template may take to notice its child's end or to make the next. Ours: both take a millisecond or two.
const TURN_LIMIT: Duration = Duration::from_secs(5);

impl Environment {
    /// Resolves when the child that works on the request has ended; never where there are no children.
    pub(super) async fn child_ended(&self) -> Exit {
        match &self.forks {
            Some(forks) => {
                let status = forks.ended().await;
                Exit { status, out_of_memory: false, usage: self.sandbox.usage().await }
            }
            None => std::future::pending().await,
        }
    }

    /// Resolves when nothing more comes of the request: the runtime asks for the next, or has ended.
    pub(super) async fn over(&self) {
        if self.is_template() {
            tokio::select! { _ = self.sandbox.exited() => {}, _ = self.child_ended() => {} }
        } else {
            self.next_or_exit().await;
        }
    }

    /// Keeps a request that has had its time from doing anything more.
    pub(super) async fn stop_working(&self) {
        // A template stays; its child is ended with the rest when the environment is wiped.
        if let Some(snapshot) = &self.snapshot {
            snapshot.spoil();
        }
        if self.forks.is_none() {
            self.end_runtime().await;
        } else if self.sandbox.freeze().await.is_err() {
            self.sandbox.kill();
        }
    }

    /// Leaves nothing of the last request, and makes the child for the next. `false`: the environment is over.
    pub(super) async fn wipe(&self) -> bool {
        self.bare().await && self.fork().await
    }

    /// Leaves nothing but the template, ready for an order. `false`: the environment is over.
    pub(super) async fn bare(&self) -> bool {
        let Some(forks) = &self.forks else { return false };
        drop(forks.withdraw());
        // From here on what runs is the platform's, or is about to be stopped: it does not wait for the function's share of
        // the processor, which the request may have used up.
        let (ended, cleared) = tokio::join!(self.end_credentials(), self.clear());
        if !ended || !cleared || self.sandbox.thaw().await.is_err() {
            return false;
        }
        tokio::select! {
            biased;
            _ = self.sandbox.exited() => false,
            ready = tokio::time::timeout(TURN_LIMIT, forks.ready()) => matches!(ready, Ok(Ok(()))),
        }
    }

    /// Stops everything and ends all but the template.
    async fn clear(&self) -> bool {
        self.sandbox.begin_init().await.is_ok()
            && self.sandbox.freeze().await.is_ok()
            && self.sandbox.reset().await.is_ok()
    }

    /// Makes a child with credentials of its own, and waits until it asks for its request. Until then only the template and
    /// the bootstrap in the child run, so it is not held to the function's share of the processor, which for a small
    /// function would take tens of milliseconds.
    pub(super) async fn fork(&self) -> bool {
        self.sandbox.begin_init().await.is_ok()
            && self.make_child().await
            && self.sandbox.end_init().await.is_ok()
    }

    async fn make_child(&self) -> bool {
        if self.access.check(&self.env, &self.function).await.is_err() {
            return false;
        }
        if !self.order_child().await.unwrap_or(false) {
            return false;
        }
        tokio::select! {
            biased;
            _ = self.sandbox.exited() => false,
            _ = self.child_ended() => false,
            waiting = tokio::time::timeout(TURN_LIMIT, self.exchange.waiting()) => matches!(waiting, Ok(Ok(()))),
        }
    }

    /// Has the template make a child with credentials of its own; an error says why there are none. `false`: it takes no order.
    pub(super) async fn order_child(&self) -> Result<bool, NotStarted> {
        let Some(forks) = &self.forks else { return Ok(false) };
        let credentials = self.renewed_credentials().await?;
        self.exchange.renew();
        let token = hex_id(&*self.env.entropy, "lambda.child", TOKEN_DIGITS);
        Ok(forks.order(token, credentials))
    }

    /// Ends the session of the credentials that were given out last.
    pub(super) fn revoke(&self) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.set(None);
        }
        let key = self.held.lock().unwrap_or_else(PoisonError::into_inner).access_key_id.take();
        let (Some(key), Ok(runtime)) = (key, tokio::runtime::Handle::try_current()) else { return };
        let env = self.env.clone();
        drop(runtime.spawn(async move {
            if let Ok(sessions) = env.sessions() {
                // Bound to an environment that is gone, the key is worthless even where this fails.
                drop(sessions.revoke(&key).await);
            }
        }));
    }
}

/// As long as an environment's id: 128 bits.
const TOKEN_DIGITS: usize = 32;
