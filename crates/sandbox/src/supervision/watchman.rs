//! One thread that looks at all environments whose limits no control group holds, as long as any of them runs.
//!
//! Knows nothing of what a look does.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::supervision::{PAUSE_MAX, Supervision, census::Census};

/// The thread, from the first environment on. Dropping it ends the thread.
#[derive(Debug, Default)]
pub(crate) struct Watchman(Arc<Post>);

/// What the thread and the environments share.
#[derive(Debug, Default)]
pub(super) struct Post {
    list: Mutex<List>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct List {
    watched: Vec<Weak<Supervision>>,
    /// Is there a thread?
    kept: bool,
    over: bool,
}

impl Watchman {
    pub(super) fn post(&self) -> Arc<Post> {
        Arc::clone(&self.0)
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        self.0.list().over = true;
        self.0.changed.notify_all();
    }
}

impl Post {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at it from now on, while it runs.
    pub(super) fn watch(self: &Arc<Self>, environment: &Arc<Supervision>) -> std::io::Result<()> {
        let mut list = self.list();
        if !list.kept {
            let post = Arc::clone(self);
            thread::Builder::new().name("limits".into()).spawn(move || post.keep())?;
            list.kept = true;
        }
        list.watched.push(Arc::downgrade(environment));
        drop(list);
        self.changed.notify_all();
        Ok(())
    }

    /// One of them runs again.
    pub(super) fn wake(&self) {
        // Not between the thread's look at the list and its wait.
        drop(self.list());
        self.changed.notify_all();
    }

    fn keep(&self) {
        let mut pause = TICK;
        while let Some(running) = self.after(pause) {
            let begun = Instant::now();
            // Without a census nothing is known: what is known too long ago counts as too much.
            if let Ok(census) = Census::take() {
                for environment in &running {
                    environment.look_among(&census, begun);
                }
            }
            pause = pause_after(begun.elapsed());
        }
    }

    /// Those that run, after a pause; waits until there are any. `None`: it is over.
    fn after(&self, pause: Duration) -> Option<Vec<Arc<Supervision>>> {
        let mut list = self.list();
        loop {
            let (waited, _) = self
                .changed
                .wait_timeout_while(list, pause, |list| !list.over)
                .unwrap_or_else(PoisonError::into_inner);
            list = waited;
            if list.over {
                return None;
            }
            list.watched.retain(|environment| environment.strong_count() > 0);
            let all = list.watched.iter().filter_map(Weak::upgrade);
            let running: Vec<_> = all.filter(|environment| environment.runs()).collect();
            if !running.is_empty() {
                return Some(running);
            }
            list = self.changed.wait(list).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// So that looking takes a tenth of one processor at most, however many processes there are; more only where a look takes so
/// long that what was seen would be too old by the next one.
fn pause_after(look: Duration) -> Duration {
    look.saturating_mul(LOOKS_PART - 1).clamp(TICK, PAUSE_MAX)
}

/// Time between two looks, where they are quick.
pub(super) const TICK: Duration = Duration::from_millis(20);
const LOOKS_PART: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervision::STALE;

    #[test]
    fn looking_takes_a_tenth_of_a_processor_at_most() {
        assert_eq!(pause_after(Duration::from_micros(300)), TICK);
        assert_eq!(pause_after(Duration::from_millis(10)), Duration::from_millis(90));
    }

    #[test]
    fn what_takes_long_is_looked_at_again_before_it_counts_as_unseen() {
        // On a busy host a look waits for its processor itself.
        let look = Duration::from_secs(3);
        assert!(look + pause_after(look) + look < STALE);
    }
}
