//! Making a published version's snapshot, and saying in the version what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casemate_sandbox::Family;
use casemate_store::{Key, StoreError};
use tokio::sync::Semaphore;

use super::{Invoker, start::order};
use crate::{
    api::{Error, StateReasonCode},
    controls::{Controls, Reuse},
    environment::{Berth, Environment, Host, NotStarted, exit_text},
    fair::Grant,
    function::Function,
    pool::FitFor,
    process::Purpose,
    resource::FunctionRef,
    snapshot::State,
    version::{Published, Version},
};

/// How long the start of what becomes a snapshot may take, or as long as a request, if that is longer.
// AWS: "your initialization code can run for up to 15 minutes. The time limit is 130 seconds or the configured function
// timeout, whichever is higher" (developer guide, "Lambda execution environment lifecycle").
const INIT_LIMIT: Duration = Duration::from_secs(130);

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
    fn begin(&self, revision: &str) -> bool {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner).insert(revision.to_owned())
    }

    fn end(&self, revision: &str) {
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
        if function.state != State::Pending || !self.making.begin(&function.revision_id) {
            return;
        }
        let (invoker, function) = (Arc::clone(self), Arc::new(function.clone()));
        drop(tokio::spawn(async move {
            let turn = invoker.making.turn(&function).acquire_owned().await;
            let state = match invoker.made_snapshot(&function).await {
                Ok(()) => State::Active,
                Err(reason) => state_of(reason),
            };
            // A version that cannot be written stays pending, and is tried again after the server's restart.
            drop(invoker.note_state(&function, state).await);
            drop(turn);
            invoker.making.end(&function.revision_id);
        }));
    }

    /// Makes what the server's last run has left undone.
    pub(super) fn resume_snapshots(self: &Arc<Self>) {
        let all = self.env.store.read(|tx| tx.scan::<Published>(&Key::every_scope(), None, usize::MAX));
        for (_, Published(version)) in all.unwrap_or_default() {
            self.make_snapshot(&version);
        }
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
        self.pool.put(Arc::clone(&environment), FitFor::Everybody, self.env.clock.now());
        environment.freeze().await;
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
        if !host.forks(function) {
            return Err(NotStarted::Unforkable("its processes run in a virtual machine".to_owned()));
        }
        let variables = function.settings.variables.clone().unwrap_or_default();
        let reuse = Controls::of(&variables).map_err(Error::invalid_parameter_value_exception)?.reuse;
        // Who shares with nobody or with one principal only gets a child of the template's own for each request.
        let purpose = Purpose::Snapshot { once: reuse != Reuse::Warm };
        let limit = INIT_LIMIT.max(Duration::from_secs(u64::from(function.settings.timeout_s)));
        host.start(order(function, purpose, limit, berth, None)).await.map(Arc::new)
    }

    /// Writes what became of a version, unless it is gone.
    async fn note_state(&self, function: &Function, state: State) -> Result<(), StoreError> {
        let Some(at) = FunctionRef::of_arn(&function.arn) else { return Ok(()) };
        let Version::Published(number) = function.version else { return Ok(()) };
        let (key, revision) = (at.key().number(number), function.revision_id.clone());
        let written = self.env.store.write(move |tx| {
            let Some(Published(mut version)) = tx.get::<Published>(&key)? else { return Ok(false) };
            if version.revision_id != revision || version.state != State::Pending {
                return Ok(false);
            }
            version.state = state.clone();
            tx.put(&key, &Published(version))?;
            Ok::<_, StoreError>(true)
        });
        if !written.await? {
            // Deleted meanwhile: whatever was made goes with it.
            self.pool.retire(&function.arn);
        }
        Ok(())
    }
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
