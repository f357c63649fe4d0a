//! What becomes of an environment that has served a request: the next one's, idle, or over.

use std::sync::Arc;

use super::{Invoker, Served, Work};
use crate::{
    controls::Reuse,
    environment::{Environment, Host, Room},
    fair::Heir,
    pool::FitFor,
    returning::{Coming, Left},
};

impl Invoker {
    /// Where the environment will be used up by the request, another is started for the next.
    pub(super) fn note_used(self: &Arc<Self>, work: &Work, environment: &Environment) {
        let spares = if environment.is_snapshot() {
            self.spare_templates(&work.function)
        } else {
            usize::from(work.fit_for_after(environment).is_none())
        };
        if environment.is_snapshot() {
            self.note_invoked(&work.function);
        }
        if spares > 0 {
            self.ready.used_up(&work.function, spares, self.env.clock.now());
            self.missing.notify_one();
        }
    }

    /// Said before the answer is: who asks again at once finds it.
    pub(super) fn coming(&self, work: &Work, environment: &Environment) -> Option<Coming> {
        // Which principal's environment comes is not told apart: those requests do not wait.
        let for_all = work.reuse == Reuse::Warm || environment.is_template();
        // Whatever a template's child still does, it is ended.
        let left = if environment.is_template() { Left::Platform } else { Left::Runtime };
        for_all.then(|| self.returning.begin(&work.function.arn, left))
    }

    pub(super) async fn put_back(&self, host: &Host, served: Served) {
        let Served { environment, fit_for, coming, open: (slot, _working) } = served;
        environment.conclude().await;
        // What extensions do after the answer they do also where nobody follows.
        let settled = (fit_for.is_some() || environment.has_extensions()) && environment.settle().await;
        let ready = settled && fit_for.is_some();
        drop(slot);
        let function = &environment.function;
        if !ready || !self.is_current(function) {
            self.missing.notify_one();
            return;
        }
        // The next of the same function goes on in it. Whoever has room already and waits for a turn to start gives that back.
        let for_anybody = matches!(fit_for, Some(FitFor::Reuse | FitFor::Everybody));
        if for_anybody && self.handed_on(self.turns.line(), &environment) {
            return;
        }
        let heir = host.room.heir(&function.arn);
        if heir == Heir::Same && for_anybody && self.handed_on(&host.room, &environment) {
            return;
        }
        // Its end gives the room to whose turn it is, also if that is a request of another revision.
        if heir != Heir::Nobody && host.room.heir(&function.arn) != Heir::Nobody {
            return;
        }
        if let Some(fit_for) = fit_for {
            self.rest(&environment, fit_for, coming).await;
        }
    }

    /// From now on it is idle and frozen, unless a request waits for a turn to start another. Whoever awaits it is told.
    pub(super) async fn rest(&self, environment: &Arc<Environment>, fit_for: FitFor, coming: Option<Coming>) {
        let (function, line) = (&environment.function, self.turns.line());
        self.put(environment, fit_for);
        drop(coming);
        // Whoever has come into the line before it was idle has not found it.
        while environment.fits(function, self.env.clock.now())
            && line.awaits(&function.arn, &function.revision_id)
            && let Some(fit_for) = self.pool.take_back(environment)
        {
            if self.handed_on(line, environment) {
                return;
            }
            self.put(environment, fit_for);
        }
        environment.freeze().await;
    }

    /// Has the next request of its revision in this line been given it? What is not good for a whole request more is given to nobody.
    fn handed_on(&self, line: &Room, environment: &Arc<Environment>) -> bool {
        let function = &environment.function;
        environment.fits(function, self.env.clock.now())
            && line.hand_on(&function.arn, &function.revision_id, Arc::clone(environment)).is_ok()
    }

    /// Requests find it from now on.
    pub(super) fn put(&self, environment: &Arc<Environment>, fit_for: FitFor) {
        self.pool.put(Arc::clone(environment), fit_for, self.env.clock.now());
        // Whoever changed or deleted the function since it was last looked at has not found it there.
        if !self.is_current(&environment.function) {
            self.pool.retire(&environment.function.arn);
            self.machines.forget(&environment.function.arn);
        }
        self.stock.changed();
    }
}
