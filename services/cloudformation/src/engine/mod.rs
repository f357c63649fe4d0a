//! Carries plans out: a background task, so that the request that started the work can be answered at once.
//!
//! ```text
//! CREATE_IN_PROGRESS ─▶ CREATE_COMPLETE
//!        └─ failed ─▶ ROLLBACK_IN_PROGRESS ─▶ ROLLBACK_COMPLETE | ROLLBACK_FAILED
//! UPDATE_IN_PROGRESS ─▶ UPDATE_COMPLETE_CLEANUP_IN_PROGRESS ─▶ UPDATE_COMPLETE
//!        └─ failed ─▶ UPDATE_ROLLBACK_IN_PROGRESS ─▶ UPDATE_ROLLBACK_COMPLETE | UPDATE_ROLLBACK_FAILED
//! DELETE_IN_PROGRESS ─▶ DELETE_COMPLETE | DELETE_FAILED
//! ```
//!
//! Every call is made with the rights of whoever started the work (or of the stack's service role); a right taken away in
//! between is missing from the next call on.

mod create;
mod delete;
mod ledger;
mod single;
mod undo;
mod update;

use std::sync::Arc;

use casemate_kernel::{As, Env, Fault, Permit};
use casemate_names::{Arn, Scope};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    api::StackStatus,
    plan::Plan,
    provision::{Hand, Models},
    stack::{self, StackRow},
};

pub(crate) use ledger::Ledger;

/// Deployments that may wait. Our own figure.
pub(crate) const QUEUE_MAX: usize = 64;

/// Work on one stack.
#[derive(Debug)]
pub(crate) struct Work {
    /// The admitted request that asked for it.
    pub(crate) permit: Permit,
    /// Account and region of the stack.
    pub(crate) scope: Scope,
    /// The stack.
    pub(crate) stack: StackRow,
    /// What to do.
    pub(crate) task: Task,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Make everything.
    Create(Box<Plan>),
    /// Make, change and delete what differs.
    Update(Box<Plan>),
    /// Delete everything.
    Delete,
}

/// The tools of one piece of work.
#[derive(Debug)]
struct Worker<'a> {
    hand: Hand<'a>,
    ledger: Ledger,
}

/// Takes work until the service is gone. First ends what a stop of the server cut short.
pub(crate) async fn work_off(
    env: Env,
    models: Arc<Models>,
    cut_short: Vec<StackRow>,
    mut queue: mpsc::Receiver<Work>,
) {
    // A stack that cannot be marked now is found again at the next start.
    let _ = end_interrupted(&env, &cut_short).await;
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            work = queue.recv() => match work {
                Some(work) => drop(running.spawn(run(env.clone(), Arc::clone(&models), work))),
                None => break,
            },
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

async fn run(env: Env, models: Arc<Models>, work: Work) {
    let Work { permit, scope, stack, task } = work;
    let ledger = Ledger::new(&env, &scope, &stack);
    let speaker = match speaker(&stack) {
        Ok(speaker) => speaker,
        Err(fault) => {
            let _ = ledger.status(failed_status(&stack), Some(fault.message().to_owned())).await;
            return;
        }
    };
    let hand =
        Hand { env: &env, models: &models, permit: &permit, speaker, scope: &scope, stack_name: &stack.name };
    let worker = Worker { hand, ledger };
    let outcome = match task {
        Task::Create(plan) => worker.create(&stack, *plan).await,
        Task::Update(plan) => worker.update(&stack, *plan).await,
        Task::Delete => worker.delete(&stack).await,
    };
    if let Err(fault) = outcome {
        // The store refused: say so once more, and leave the rest to the next start.
        let _ = worker.ledger.status(failed_status(&stack), Some(fault.message().to_owned())).await;
    }
}

fn speaker(stack: &StackRow) -> Result<As, Fault> {
    let Some(role) = &stack.role_arn else { return Ok(As::Caller) };
    let parse = |text: &str| Arn::parse(text).map_err(Fault::internal);
    // AWS: sessions of a stack's service role are called so.
    Ok(As::Role {
        role: parse(role)?,
        session_name: "AWSCloudFormation".to_owned(),
        source: parse(&stack.id)?,
    })
}

fn failed_status(stack: &StackRow) -> StackStatus {
    match stack.status() {
        StackStatus::CreateInProgress | StackStatus::RollbackInProgress => StackStatus::CreateFailed,
        StackStatus::DeleteInProgress => StackStatus::DeleteFailed,
        _ => StackStatus::UpdateRollbackFailed,
    }
}

/// Stacks that were being worked on when the server stopped. To be asked before any request is served: afterwards a stack
/// that is being worked on is just that.
pub(crate) fn interrupted(env: &Env) -> Result<Vec<StackRow>, Fault> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = env.store.read(|tx| stack::of_all(tx, after.as_ref(), PAGE))?;
        after = page.last().filter(|_| page.len() == PAGE).map(|(key, _)| key.clone());
        found.extend(page.into_iter().map(|(_, stack)| stack).filter(StackRow::is_busy));
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Stacks read at once.
const PAGE: usize = 100;

/// Marks them. Their permits are gone, and with them the right to act.
// DIVERGES: AWS's deployments outlive its hosts. What was being made at the very moment may be left without an owner.
async fn end_interrupted(env: &Env, stacks: &[StackRow]) -> Result<(), Fault> {
    for stack in stacks {
        let status = failed_status(stack);
        let advice = match status {
            StackStatus::CreateFailed => "Delete the stack and create it again.",
            StackStatus::DeleteFailed => "Delete it again.",
            _ => "Update it again.",
        };
        let reason = format!("The server stopped during this operation. {advice}");
        let arn = Arn::parse(&stack.id).map_err(Fault::internal)?;
        Ledger::new(env, &env.scope_of_arn(&arn), stack).status(status, Some(reason)).await?;
    }
    Ok(())
}
