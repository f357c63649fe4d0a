//! The order in which an environment with extensions ends, and how long each part of it has.
//!
//! ```text
//!   SIGTERM to the runtime ──it ends, or 300 ms──▶ SIGKILL to all but external extensions, SHUTDOWN to these
//!     ──they end, or 2 s since the beginning──▶ SIGKILL to all
//! ```
//! With internal extensions only, the runtime has 500 ms. Knows of processes what [`Processes`] says, and of time nothing else.

use std::{future::Future, time::Duration};

use casemate_names::Timestamp;

use crate::extensions::{Extensions, Reason};

/// From the end's beginning until everything is killed.
// AWS: 2 seconds with external extensions, 500 ms with internal ones only (Lambda developer guide, "Shutdown phase").
pub(crate) const EXTERNAL_LIMIT: Duration = Duration::from_secs(2);
const INTERNAL_LIMIT: Duration = Duration::from_millis(500);
/// What the runtime has of it where there are external extensions.
// AWS: 300 ms (as above).
const RUNTIME_LIMIT: Duration = Duration::from_millis(300);

/// What is done to the processes of one environment.
pub(super) trait Processes {
    /// Lets them run again. `false`: that cannot be.
    fn thaw(&self) -> impl Future<Output = bool> + Send;
    /// Asks the runtime to end.
    fn terminate_runtime(&self) -> impl Future<Output = ()> + Send;
    /// Resolves when the runtime has ended.
    fn runtime_ended(&self) -> impl Future<Output = ()> + Send;
    /// Kills all but external extensions. `false`: they cannot be told apart.
    fn end_all_but_extensions(&self) -> impl Future<Output = bool> + Send;
    /// Resolves when nothing is left.
    fn over(&self) -> impl Future<Output = ()> + Send;
    /// Kills what there is.
    fn kill(&self);
    /// Resolves so long after this call.
    fn after(&self, time: Duration) -> impl Future<Output = ()> + Send + use<Self>;
}

/// How long the end may take.
pub(super) fn limit(extensions: &Extensions) -> Duration {
    if extensions.kinds().0 { EXTERNAL_LIMIT } else { INTERNAL_LIMIT }
}

/// Ends all of them; external extensions are told why, and until when they have time.
pub(super) async fn end(
    processes: &impl Processes,
    extensions: &Extensions,
    (reason, deadline): (Reason, Timestamp),
) {
    let (external, _) = extensions.kinds();
    let limit = limit(extensions);
    let time = processes.after(limit);
    let parts = async {
        if !processes.thaw().await {
            return;
        }
        processes.terminate_runtime().await;
        tokio::select! {
            () = processes.runtime_ended() => {}
            () = processes.after(if external { RUNTIME_LIMIT } else { limit }) => {}
        }
        if external && processes.end_all_but_extensions().await {
            extensions.shut_down(reason, deadline);
            tokio::select! {
                () = extensions.gone() => {}
                () = processes.over() => {}
            }
        }
    };
    // Whichever part it is that does not come to its end.
    tokio::select! {
        () = parts => {}
        () = time => {}
    }
    processes.kill();
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use casemate_names::NamedEntropy;
    use casemate_sandbox::{ExitStatus, MemberEnd};
    use tokio::sync::watch;

    use super::*;
    use crate::extensions::{About, Told};

    /// Processes that do nothing by themselves, and time that is moved.
    #[derive(Clone)]
    struct Fake {
        done: Arc<Mutex<Vec<String>>>,
        time: watch::Sender<Duration>,
        runtime_ended: watch::Sender<bool>,
        can_thaw: bool,
        can_tell_apart: bool,
        /// This call is never answered.
        hangs: &'static str,
    }

    impl Fake {
        fn new() -> Self {
            let time = watch::Sender::new(Duration::ZERO);
            let runtime_ended = watch::Sender::new(false);
            Self {
                done: Arc::default(),
                time,
                runtime_ended,
                can_thaw: true,
                can_tell_apart: true,
                hangs: "",
            }
        }

        async fn answers(&self, call: &str) {
            if self.hangs == call {
                std::future::pending::<()>().await;
            }
        }

        fn note(&self, what: &str) {
            let at = self.time.borrow().as_millis();
            self.done.lock().unwrap().push(format!("{at} {what}"));
        }

        /// Moves the time, and lets everything happen that then happens.
        async fn at(&self, millis: u64) -> Vec<String> {
            self.time.send_replace(Duration::from_millis(millis));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            self.done.lock().unwrap().clone()
        }
    }

    impl Processes for Fake {
        async fn thaw(&self) -> bool {
            self.note("thaw");
            self.answers("thaw").await;
            self.can_thaw
        }

        async fn terminate_runtime(&self) {
            self.note("SIGTERM");
            self.answers("terminate").await;
        }

        async fn runtime_ended(&self) {
            let _ = self.runtime_ended.subscribe().wait_for(|ended| *ended).await;
        }

        async fn end_all_but_extensions(&self) -> bool {
            self.note("SIGKILL to all but extensions");
            self.answers("end").await;
            self.can_tell_apart
        }

        async fn over(&self) {
            std::future::pending::<()>().await;
        }

        fn kill(&self) {
            self.note("SIGKILL");
        }

        fn after(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
            let (until, mut clock) = (*self.time.borrow() + time, self.time.subscribe());
            async move {
                let _ = clock.wait_for(|now| *now >= until).await;
            }
        }
    }

    const DEADLINE: Timestamp = Timestamp::from_millis(2_000);

    fn extensions(external: &[&str]) -> Arc<Extensions> {
        let about = About {
            account: "123456789012".to_owned(),
            name: "f".to_owned(),
            version: "$LATEST".to_owned(),
            handler: "h".to_owned(),
        };
        let names: Vec<String> = external.iter().map(|name| (*name).to_owned()).collect();
        Arc::new(Extensions::new(about, Arc::new(NamedEntropy::seeded(1)), &names))
    }

    async fn begin(fake: &Fake, extensions: &Arc<Extensions>) -> tokio::task::JoinHandle<()> {
        let (own, extensions) = (fake.clone(), Arc::clone(extensions));
        let ending = tokio::spawn(async move { end(&own, &extensions, (Reason::Failure, DEADLINE)).await });
        fake.at(0).await;
        ending
    }

    /// An external one that waits for its next event.
    async fn waiting(extensions: &Arc<Extensions>, name: &str) -> tokio::task::JoinHandle<Told> {
        let id = extensions.register(name, &["SHUTDOWN".to_owned()]).unwrap().expose().clone();
        let extensions = Arc::clone(extensions);
        let asks = tokio::spawn(async move { extensions.next(&id).await.unwrap() });
        tokio::task::yield_now().await;
        asks
    }

    #[tokio::test]
    async fn a_runtime_and_an_extension_that_do_not_end_have_300_milliseconds_and_two_seconds_in_all() {
        let (fake, extensions) = (Fake::new(), extensions(&["one"]));
        let told = waiting(&extensions, "one").await;
        let ending = begin(&fake, &extensions).await;
        assert_eq!(fake.at(299).await, ["0 thaw", "0 SIGTERM"]);
        assert!(!told.is_finished());
        assert_eq!(fake.at(300).await.last().unwrap(), "300 SIGKILL to all but extensions");
        assert_eq!(told.await.unwrap(), Told::Shutdown { reason: Reason::Failure, deadline: DEADLINE });
        assert_eq!(fake.at(1_999).await.len(), 3);
        assert_eq!(fake.at(2_000).await.last().unwrap(), "2000 SIGKILL");
        ending.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_is_waited_for_who_has_ended() {
        let (fake, extensions) = (Fake::new(), extensions(&["one", "two"]));
        let told = [waiting(&extensions, "one").await, waiting(&extensions, "two").await];
        let ending = begin(&fake, &extensions).await;
        fake.at(10).await;
        fake.runtime_ended.send_replace(true);
        assert_eq!(fake.at(11).await.last().unwrap(), "11 SIGKILL to all but extensions");
        for told in told {
            assert!(matches!(told.await.unwrap(), Told::Shutdown { .. }));
        }
        extensions.ended(0, MemberEnd::Exited(ExitStatus::Code(0)));
        assert_eq!(fake.at(20).await.len(), 3, "one is still there");
        extensions.ended(1, MemberEnd::Exited(ExitStatus::Code(1)));
        assert_eq!(fake.at(21).await.last().unwrap(), "21 SIGKILL");
        ending.await.unwrap();
    }

    #[tokio::test]
    async fn with_internal_extensions_only_the_runtime_has_half_a_second_and_nobody_is_told() {
        let (fake, extensions) = (Fake::new(), extensions(&[]));
        extensions.register("inside", &[]).unwrap();
        let ending = begin(&fake, &extensions).await;
        assert_eq!(fake.at(499).await, ["0 thaw", "0 SIGTERM"]);
        assert_eq!(fake.at(500).await, ["0 thaw", "0 SIGTERM", "500 SIGKILL"]);
        ending.await.unwrap();
    }

    #[tokio::test]
    async fn the_time_is_up_for_a_part_that_does_not_come_to_its_end() {
        for (hangs, external, limit) in
            [("thaw", true, 2_000), ("terminate", true, 2_000), ("end", true, 2_000), ("thaw", false, 500)]
        {
            let fake = Fake { hangs, ..Fake::new() };
            let extensions = extensions(if external { &["one"] } else { &[] });
            let ending = begin(&fake, &extensions).await;
            fake.at(300).await;
            assert_ne!(fake.at(limit - 1).await.last().unwrap(), "SIGKILL");
            assert!(!ending.is_finished());
            assert_eq!(*fake.at(limit).await.last().unwrap(), format!("{limit} SIGKILL"), "{hangs}");
            ending.await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_cannot_run_or_be_told_apart_is_killed_at_once() {
        let thawless = Fake { can_thaw: false, ..Fake::new() };
        end(&thawless, &extensions(&["one"]), (Reason::Spindown, DEADLINE)).await;
        assert_eq!(thawless.at(0).await, ["0 thaw", "0 SIGKILL"]);
        let mixed = Fake { can_tell_apart: false, ..Fake::new() };
        let extensions = extensions(&["one"]);
        let told = waiting(&extensions, "one").await;
        mixed.runtime_ended.send_replace(true);
        end(&mixed, &extensions, (Reason::Spindown, DEADLINE)).await;
        assert_eq!(mixed.at(0).await.last().unwrap(), "0 SIGKILL");
        assert!(!told.is_finished(), "nobody is told of what is over");
    }
}
