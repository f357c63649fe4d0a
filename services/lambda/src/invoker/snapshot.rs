//! Making a published version's snapshot, and saying in the version what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casemate_sandbox::Family;
use casemate_store::{Key, StoreError};
use tokio::sync::Semaphore;

use super::{
    Invoker,
    idle::key_of,
    start::{order, unhurried},
};
use crate::{
    api::{Error, StateReasonCode},
    controls::{Controls, Reuse},
    environment::{Berth, Environment, Host, NotStarted, exit_text},
    fair::Grant,
    function::Function,
    pool::FitFor,
    process::Purpose,
    resource::FunctionRef,
    snapshot::{State, Used},
    version::{self, Published},
};

/// How long is waited after each attempt that failed through no fault of the function's, a full host's for example.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// Snapshots of one account that are made at a time; further versions stay pending until it is their turn. Ours: AWS has a
/// limit, too ("you have reached your concurrent snapshot creation limit"), whose number it does not tell.
const MAKING_MAX: usize = 8;

/// The snapshots that are being made.
#[derive(Debug, Default)]
pub(super) struct Making {
    /// By revision.
    revisions: Mutex<BTreeSet<String>>,
    /// By account: who publishes much waits for himself.
    turns: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Making {
    /// `false`: it is being made.
    pub(super) fn begin(&self, revision: &str) -> bool {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner).insert(revision.to_owned())
    }

    pub(super) fn end(&self, revision: &str) {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner).remove(revision);
    }

    fn turn(&self, function: &Function) -> Arc<Semaphore> {
        let account =
            function.arn.account_id().map(|account| account.as_str().to_owned()).unwrap_or_default();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(account).or_insert_with(|| Arc::new(Semaphore::new(MAKING_MAX))))
    }
}

impl Invoker {
    /// Makes the snapshot of a version that waits for it; of others, nothing.
    pub(crate) fn make_snapshot(self: &Arc<Self>, function: &Function) {
        if !function.state.is_to_be_made() || !self.making.begin(&function.revision_id) {
            return;
        }
        let (invoker, function) = (Arc::clone(self), Arc::new(function.clone()));
        drop(tokio::spawn(async move {
            let turn = invoker.making.turn(&function).acquire_owned().await;
            // What was read before is not what is true now: it may have been made, or deleted, since.
            if !invoker.is_pending(&function) {
                return invoker.making.end(&function.revision_id);
            }
            let state = match invoker.made_after_all(&function).await {
                Ok(()) => State::Active,
                Err(reason) => state_of(reason),
            };
            let made = state == State::Active;
            // A version that cannot be written stays pending, and is tried again after the server's restart.
            drop(invoker.note_state(&function, state).await);
            if made {
                invoker.keep_templates(&function);
            }
            drop(turn);
            invoker.making.end(&function.revision_id);
        }));
    }

    /// Makes what the server's last run has left undone.
    pub(super) fn resume_snapshots(self: &Arc<Self>) {
        let all = self.env.store.read(|tx| tx.scan::<Published>(&Key::every_scope(), None, usize::MAX));
        for (_, Published(version)) in all.unwrap_or_default() {
            self.make_snapshot(&version);
            self.keep_templates(&version);
        }
    }

    fn is_pending(&self, function: &Function) -> bool {
        let Some(at) = FunctionRef::of_arn(&function.arn) else { return false };
        let found = self.env.store.read(|tx| version::resolve(tx, &at, None)).ok().flatten();
        found.is_some_and(|now| now.revision_id == function.revision_id && now.state.is_to_be_made())
    }

    async fn made_after_all(&self, function: &Arc<Function>) -> Result<(), NotStarted> {
        let wanted = || self.host.is_ok() && self.is_pending(function);
        tried(|| self.made_snapshot(function), wanted, tokio::time::sleep).await
    }

    async fn made_snapshot(&self, function: &Arc<Function>) -> Result<(), NotStarted> {
        let host = self.host.as_ref().map_err(|why| {
            NotStarted::Refused(Error::service_exception(format!("there is no sandbox on this host: {why}")))
        })?;
        let berth = match self.room(host, function).await? {
            Grant::Place(berth) => berth,
            // Of a version that nobody could invoke so far.
            Grant::HandedOn(environment) => return drop_unexpected(&environment),
        };
        let environment = self.begin_snapshot(host, function, berth).await?;
        environment.await_request();
        self.rest(&environment, FitFor::Everybody, None).await;
        Ok(())
    }

    /// A new template of a version, not yet restored.
    pub(super) async fn begin_snapshot(
        &self,
        host: &Host,
        function: &Arc<Function>,
        berth: Berth,
    ) -> Result<Arc<Environment>, NotStarted> {
        if host.family(function) != Some(Family::Python) {
            return Err(NotStarted::Unforkable("snapshots are of Python functions only".to_owned()));
        }
        let variables = function.settings.variables.clone().unwrap_or_default();
        let reuse = Controls::of(&variables).map_err(Error::invalid_parameter_value_exception)?.reuse;
        // Who shares with nobody or with one principal only gets a child of the template, or a machine, of its own for each request.
        let purpose = Purpose::Snapshot { once: reuse != Reuse::Warm };
        host.start(order(function, purpose, unhurried(function), berth, None)).await.map(Arc::new)
    }

    /// Writes what became of a version, unless it is gone.
    async fn note_state(&self, function: &Function, state: State) -> Result<(), StoreError> {
        let Some(key) = key_of(function) else { return Ok(()) };
        let (revision, now) = (function.revision_id.clone(), self.env.clock.now());
        let written = self.env.store.write(move |tx| {
            let found = tx.get::<Published>(&key)?.filter(|found| found.0.revision_id == revision);
            let Some(Published(mut version)) = found else { return Ok(false) };
            if version.state.is_to_be_made() {
                version.state = version.state.followed_by(state.clone());
                tx.put(&key, &Published(version))?;
                tx.put(&key, &Used(now))?;
            }
            Ok::<_, StoreError>(true)
        });
        if !written.await? {
            // Deleted meanwhile, or made anew: whatever was made goes with it.
            self.pool.retire(&function.arn);
        }
        Ok(())
    }
}

/// Tries again where it was a passing fault and not the function's, for as long as it is still wanted.
async fn tried<A, P>(
    attempt: impl Fn() -> A,
    wanted: impl Fn() -> bool,
    pause: impl Fn(Duration) -> P,
) -> Result<(), NotStarted>
where
    A: Future<Output = Result<(), NotStarted>>,
    P: Future<Output = ()>,
{
    for length in PAUSES {
        let made = attempt().await;
        if !made.as_ref().is_err_and(may_pass) || !wanted() {
            return made;
        }
        pause(length).await;
        if !wanted() {
            return made;
        }
    }
    attempt().await
}

/// May the same attempt succeed a moment later?
fn may_pass(reason: &NotStarted) -> bool {
    let NotStarted::Refused(error) = reason else { return false };
    matches!(error, Error::TooManyRequestsException(_) | Error::ServiceException(_) | Error::Internal(_))
}

fn drop_unexpected(environment: &Environment) -> Result<(), NotStarted> {
    let why = format!("{} was in use before it had a snapshot", environment.function.arn.as_str());
    Err(casemate_kernel::Fault::broken(why).into())
}

/// What a version is whose snapshot could not be made because of this.
fn state_of(reason: NotStarted) -> State {
    match reason {
        NotStarted::Reported(report, _) => State::failed_with(&report),
        NotStarted::Exited(exit, _) => State::failed(
            StateReasonCode::FunctionError,
            format!("An error occurred during function initialization. {}", exit_text(exit)),
        ),
        NotStarted::TimedOut(_) => State::failed(
            StateReasonCode::FunctionErrorInitTimeout,
            "The function took too long to initialize.",
        ),
        NotStarted::Unforkable(why) => State::failed(
            StateReasonCode::InvalidConfiguration,
            format!("No snapshot can be made of the function: {why}."),
        ),
        NotStarted::Refused(error) => {
            // What the platform's own failures say is the operator's; of these a caller of `Invoke` is told as much.
            let why = match error {
                Error::ServiceException(error) => error.message.unwrap_or_default(),
                Error::TooManyRequestsException(_) => "the host has no room for it".to_owned(),
                _ => "it could not be started".to_owned(),
            };
            State::failed(StateReasonCode::InternalError, format!("The snapshot could not be made: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use casemate_kernel::Fault;

    use super::*;
    use crate::{api::ThrottleReason, refusal};

    /// How many attempts there are, and the pauses between them, when each comes to `outcome`, the last one in `until` to success,
    /// and it is wanted for so many pauses.
    async fn attempts(outcome: fn() -> NotStarted, until: usize, wanted: usize) -> (usize, Vec<u64>, bool) {
        let (count, pauses) = (std::cell::Cell::new(0), std::cell::RefCell::new(Vec::new()));
        let made = tried(
            async || {
                count.set(count.get() + 1);
                if count.get() == until { Ok(()) } else { Err(outcome()) }
            },
            || pauses.borrow().len() < wanted,
            async |length: Duration| pauses.borrow_mut().push(length.as_secs()),
        )
        .await;
        (count.get(), pauses.into_inner(), made.is_ok())
    }

    #[tokio::test]
    async fn four_attempts_are_made_in_half_a_minute_and_none_for_nobody() {
        let passing = || NotStarted::Refused(Error::service_exception("x"));
        let lasting = || NotStarted::TimedOut(Vec::new());
        assert_eq!(attempts(passing, 9, 9).await, (4, vec![1, 5, 20], false));
        assert_eq!(attempts(passing, 4, 9).await, (4, vec![1, 5, 20], true));
        assert_eq!(attempts(passing, 2, 9).await, (2, vec![1], true));
        assert_eq!(attempts(lasting, 9, 9).await, (1, vec![], false));
        // Deleted meanwhile: not another attempt after the pause.
        assert_eq!(attempts(passing, 9, 2).await, (2, vec![1, 5], false));
        // No host: no pause either.
        assert_eq!(attempts(passing, 9, 0).await, (1, vec![], false));
    }

    #[test]
    fn what_is_not_the_functions_fault_is_tried_again() {
        let full = refusal::throttled(ThrottleReason::ConcurrentInvocationLimitExceeded);
        for passing in [full, Error::service_exception("x"), Fault::broken("x").into()] {
            assert!(may_pass(&NotStarted::Refused(passing)));
        }
        for lasting in [
            NotStarted::Refused(Error::invalid_parameter_value_exception("x")),
            NotStarted::Reported(bytes::Bytes::new(), Vec::new()),
            NotStarted::TimedOut(Vec::new()),
            NotStarted::Unforkable("x".to_owned()),
        ] {
            assert!(!may_pass(&lasting), "{lasting:?}");
        }
    }
}
