//! Templates of a version that are at hand for requests that come at once, and requests that find none.
//!
//! A template's processes cannot leave its sandbox, so each serves one request at a time. While requests come, as many are
//! kept at hand as are in use: who asks for twice as much as before still finds one for each. Where more is asked for, others
//! are begun, some at a time, and a request goes on with whichever is there first: one that was begun for it, for another
//! request or for nobody yet, or one that has served its request.
//!
//! Knows nothing of how a template is made.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::Arn;
use tokio::sync::{Notify, Semaphore, futures::Notified, oneshot};

use super::{Invoker, Work};
use crate::{
    environment::{Environment, Host, NotStarted},
    fair::Grant,
    function::Function,
    pool::FitFor,
    resource::FunctionRef,
    snapshot::{self, State},
    version,
};

/// Most templates of a version that are at hand for requests that may come. Ours: as many as are started ahead at a time.
const AT_HAND_MAX: usize = 8;
/// Templates of a version that are begun at a time for requests that wait. Ours: an initialisation takes a processor; more of
/// them at once would only all be done later, and by then requests that wait can often go on with one that has come back.
const BEGUN_MAX: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stock {
    changed: Notify,
    versions: Mutex<BTreeMap<Arn, Version>>,
}

/// Of one version.
#[derive(Debug)]
struct Version {
    /// Requests that wait.
    waiting: usize,
    /// Templates that are, or are to be, begun for them.
    begun: usize,
    turns: Arc<Semaphore>,
}

impl Stock {
    /// A template may be there, or may not come.
    pub(super) fn changed(&self) {
        self.changed.notify_waiters();
    }

    /// Resolves at the next change after this call.
    fn next_change(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn change<T>(&self, version: &Arn, change: impl FnOnce(&mut Version) -> T) -> T {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Version { waiting: 0, begun: 0, turns: Arc::new(Semaphore::new(BEGUN_MAX)) };
        let of = versions.entry(version.clone()).or_insert_with(new);
        let changed = change(of);
        if of.waiting == 0 && of.begun == 0 {
            versions.remove(version);
        }
        changed
    }

    /// A request waits until this is dropped.
    fn wait(&self, version: &Arn) -> Waiting<'_> {
        self.change(version, |of| of.waiting += 1);
        Waiting { stock: self, version: version.clone() }
    }

    /// Where more requests wait than templates come, those that are started ahead among them: the turns, of which one is to be
    /// waited for, for one more.
    fn begin(&self, version: &Arn, ahead: usize) -> Option<Arc<Semaphore>> {
        self.change(version, |of| {
            let short = of.begun.saturating_add(ahead) < of.waiting;
            of.begun += usize::from(short);
            short.then(|| Arc::clone(&of.turns))
        })
    }

    /// What was begun has come to an end.
    fn end(&self, version: &Arn) {
        self.change(version, |of| of.begun = of.begun.saturating_sub(1));
        self.changed();
    }
}

struct Waiting<'a> {
    stock: &'a Stock,
    version: Arn,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.stock.change(&self.version, |of| of.waiting = of.waiting.saturating_sub(1));
    }
}

/// What came of a template that was begun for a request; `None`: by its turn nobody waited for it any more.
type Begun = Option<Result<Arc<Environment>, NotStarted>>;

impl Invoker {
    /// An environment for a request that has found none idle.
    pub(super) async fn started(
        self: &Arc<Self>,
        host: &Host,
        work: &Work,
    ) -> Result<Arc<Environment>, NotStarted> {
        if snapshot::is_of(&work.function) {
            self.template(host, work).await
        } else {
            self.start(host, work).await
        }
    }

    /// How many templates are to be at hand, now that one more is in use.
    pub(super) fn spare_templates(&self, function: &Function) -> usize {
        let Ok(host) = &self.host else { return 0 };
        let unused = self.pool.idle(function).saturating_add(self.ready.starting(&function.arn));
        let used = host.room.held(&function.arn).saturating_sub(unused).max(1);
        // More than may run at once is of no use.
        let more = function.reserved.unwrap_or(usize::MAX).saturating_sub(used);
        used.min(AT_HAND_MAX).min(more)
    }

    /// How many environments a request would find that need not be started for it.
    pub(super) fn at_hand(&self, function: &Function) -> usize {
        if snapshot::is_of(function) { self.pool.idle(function) } else { self.pool.fresh(function) }
    }

    /// Whichever template is there first.
    async fn template(self: &Arc<Self>, host: &Host, work: &Work) -> Result<Arc<Environment>, NotStarted> {
        let version = &work.function.arn;
        let _waiting = self.stock.wait(version);
        let mut own: Option<oneshot::Receiver<Begun>> = None;
        loop {
            let mut change = std::pin::pin!(self.stock.next_change());
            // From here on no change is missed.
            change.as_mut().enable();
            // What was made for this request is not left lying.
            match own.as_mut().map(oneshot::Receiver::try_recv) {
                Some(Ok(Some(made))) => return made,
                Some(Ok(None) | Err(oneshot::error::TryRecvError::Closed)) => own = None,
                Some(Err(oneshot::error::TryRecvError::Empty)) | None => {}
            }
            if let Some(idle) = self.pool.take(&work.function, work.wanted(), self.env.clock.now()) {
                if idle.wake().await {
                    return Ok(idle);
                }
                continue;
            }
            if own.is_none()
                && let Some(turns) = self.stock.begin(version, self.ready.starting(version))
            {
                own = Some(self.begin_template(host, &work.function, turns));
            }
            let Some(begun) = &mut own else {
                change.await;
                continue;
            };
            tokio::select! {
                biased;
                made = begun => match made {
                    Ok(Some(made)) => return made,
                    // Begun anew.
                    Ok(None) | Err(_) => own = None,
                },
                () = change => {}
            }
        }
    }

    /// Makes a template for a request that waits, or for whoever comes if that one has gone on meanwhile.
    fn begin_template(
        self: &Arc<Self>,
        host: &Host,
        function: &Arc<Function>,
        turns: Arc<Semaphore>,
    ) -> oneshot::Receiver<Begun> {
        let (tell, told) = oneshot::channel();
        let (invoker, host, function) = (Arc::clone(self), host.clone(), Arc::clone(function));
        drop(tokio::spawn(async move {
            let turn = turns.acquire_owned().await;
            let begun =
                if tell.is_closed() { None } else { Some(invoker.new_template(&host, &function).await) };
            drop(turn);
            if let Err(Some(Ok(environment))) = tell.send(begun) {
                environment.await_request();
                let fit_for = if environment.is_unrestored() { FitFor::Everybody } else { FitFor::Reuse };
                invoker.rest(&environment, fit_for, None).await;
            }
            invoker.stock.end(&function.arn);
        }));
        told
    }

    async fn new_template(
        &self,
        host: &Host,
        function: &Arc<Function>,
    ) -> Result<Arc<Environment>, NotStarted> {
        match self.room(host, function).await? {
            Grant::Place(berth) => self.begin_snapshot(host, function, berth).await,
            // Handed on only where the request may follow on anybody.
            Grant::HandedOn(environment) => Ok(environment),
        }
    }

    /// Keeps as many templates of an active version as its owner has asked for.
    pub(super) fn keep_templates(&self, version: &Function) {
        let Some(at) = FunctionRef::of_arn(&version.arn) else { return };
        // What is made ready is the version as it is now, and as its function is.
        let found = self.env.store.read(|tx| version::resolve(tx, &at, None)).ok().flatten();
        let Some(version) = found.filter(|found| snapshot::is_of(found) && found.state == State::Active)
        else {
            return;
        };
        let (count, version) = (snapshot::kept(&version), Arc::new(version));
        // One stays in any case.
        if count > 1 {
            self.keep_ready(Arc::clone(&version), count);
            // Whoever deleted it just before has found nothing to end.
            if !self.is_current(&version) {
                self.ready.retire(&version.arn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> Arn {
        Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f:1").unwrap()
    }

    #[test]
    fn as_many_are_begun_as_wait_and_do_not_come_anyway() {
        let (stock, version) = (Stock::default(), version());
        assert!(stock.begin(&version, 0).is_none(), "nobody waits");
        let waiting = [stock.wait(&version), stock.wait(&version), stock.wait(&version)];
        assert!(stock.begin(&version, 3).is_none(), "three come anyway");
        assert!(stock.begin(&version, 1).is_some() && stock.begin(&version, 1).is_some());
        assert!(stock.begin(&version, 1).is_none());
        // What was to come anyway did not: one more.
        assert!(stock.begin(&version, 0).is_some() && stock.begin(&version, 0).is_none());
        stock.end(&version);
        assert!(stock.begin(&version, 0).is_some());
        drop(waiting);
        for _ in 0..3 {
            stock.end(&version);
        }
        assert!(stock.versions.lock().unwrap().is_empty(), "nothing is remembered of what is over");
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_what_came_and_of_what_did_not() {
        let (stock, version) = (Stock::default(), version());
        let _waiting = stock.wait(&version);
        assert!(stock.begin(&version, 0).is_some());
        let mut change = std::pin::pin!(stock.next_change());
        change.as_mut().enable();
        stock.end(&version);
        change.await;
    }
}
