//! Templates of versions with SnapStart: those at hand for requests at once, and versions that nobody invokes.

use super::*;
use crate::{api::StateReasonCode, snapshot::Used};

/// Says when its template was made, and which process it is; works for as long as the event says.
const MADE: &str = r"
import os, time
SLOW
made = time.time()
def handler(event, context):
    time.sleep(event)
    return [made, os.getpid()]
";

fn made(slow: &str) -> String {
    MADE.replace("SLOW", slow)
}

impl super::Host {
    /// Waits until so many of a version's environments are idle.
    async fn idle_now(&self, function: &Function, count: usize) {
        for _ in 0..2_000 {
            if self.invoker.pool.idle(function) == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {count} idle, but {}", self.invoker.pool.idle(function));
    }

    /// Waits until no environment of the function is used or being made.
    async fn all_idle(&self, function: &Function) {
        for _ in 0..2_000 {
            if self.room_held(function) == self.invoker.pool.idle(function) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} held, {} idle", self.room_held(function), self.invoker.pool.idle(function));
    }

    /// When the templates were made that served so many requests at once.
    async fn burst(
        self: &Arc<Self>,
        function: &Arc<Function>,
        count: usize,
        event: &'static str,
    ) -> Vec<f64> {
        let requests: Vec<_> = (0..count)
            .map(|_| {
                let (host, function) = (Arc::clone(self), Arc::clone(function));
                tokio::spawn(async move { host.invoke(&function, event).await.unwrap() })
            })
            .collect();
        let mut all = Vec::new();
        for request in requests {
            let (made, _): (f64, u32) = serde_json::from_str(&request.await.unwrap()).unwrap();
            all.push(made);
        }
        all.sort_by(f64::total_cmp);
        all
    }

    /// As the invoker's own task does.
    fn tend(self: &Arc<Self>) -> tokio::task::JoinHandle<()> {
        let host = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                host.invoker.start_missing();
                drop(tokio::time::timeout(upkeep::RECLAIM_EVERY, host.invoker.missing.notified()).await);
            }
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "compared with the clock that a function inside reads")]
fn seconds_now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_templates_as_were_asked_for_serve_a_burst_and_none_of_its_requests_is_initialised() {
    let host = Arc::new(host(16));
    let tended = host.tend();
    let f = host.active_with(&made(""), &[("CASEMATE_SNAPSHOTS", "4")]).await;
    host.idle_now(&f, 4).await;
    // Neither time nor a look for what is unused takes them.
    host.invoker.pool.reclaim(host.later(3_000), |function| host.invoker.ready.kept(function));
    assert_eq!(host.invoker.pool.idle(&f), 4);
    let began = seconds_now();
    let mut by = host.burst(&f, 4, "0.5").await;
    assert!(by.iter().all(|made| *made < began), "{by:?} {began}");
    by.dedup();
    assert_eq!(by.len(), 4, "each had an environment of its own");
    tended.abort();
    // What served is on its way back, or another is being started: either would come after the end.
    host.all_idle(&f).await;
    host.invoker.retire(&f.arn);
    host.invoker.start_missing();
    assert_eq!((host.invoker.pool.idle(&f), host.invoker.ready.kept(f.arn.as_str())), (0, 0));
}

/// Says when its template was made once its caller is let go on: it waits for the end of a connection to the AWS endpoint.
const HELD: &str = r"
import os, socket, time
made = time.time()
def handler(event, context):
    socket.create_connection(('127.0.0.1', 4566)).recv(1)
    return [made, os.getpid()]
";

#[tokio::test(flavor = "multi_thread")]
async fn while_one_template_is_in_use_another_is_made_for_whoever_comes() {
    // Requests that run are here, and end when they are dropped.
    let (arrived, mut running) = tokio::sync::mpsc::unbounded_channel();
    let hold: crate::ServeConnection = Arc::new(move |_| {
        let arrived = arrived.clone();
        Box::new(move |connection, place| drop(arrived.send((connection, place))))
    });
    let host = Arc::new(host_serving(16, hold));
    let f = host.active(HELD).await;
    let tended = host.tend();
    host.idle_now(&f, 1).await;
    let mut templates = 1;
    for requests in [1, 2] {
        let began = seconds_now();
        let burst = {
            let (host, f) = (Arc::clone(&host), Arc::clone(&f));
            tokio::spawn(async move { host.burst(&f, requests, "null").await })
        };
        let mut held = Vec::new();
        for _ in 0..requests {
            held.push(running.recv().await.unwrap());
        }
        // As many as are in use are at hand meanwhile, and nobody waits for theirs.
        templates = requests + requests.max(templates - requests);
        host.idle_now(&f, templates - requests).await;
        drop(held);
        let by = burst.await.unwrap();
        assert!(by.iter().all(|made| *made < began), "{by:?} {began}");
        host.idle_now(&f, templates).await;
    }
    assert_eq!(templates, 4);
    tended.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_on_with_what_comes_back_rather_than_wait_for_an_initialisation() {
    let host = Arc::new(host(16));
    let f = host.active(&made("time.sleep(2)")).await;
    let by = host.burst(&f, 6, "0.05").await;
    assert!(by.iter().all(|made| made.total_cmp(by.first().unwrap()).is_eq()), "{by:?}");
    // What was begun for them meanwhile is there for others, but not one for each of those that came once.
    let room = host.invoker.host.as_ref().unwrap().room.clone();
    assert!((2..=6).contains(&room.held(&f.arn)), "{}", room.held(&f.arn));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_template_is_told_why_there_is_none() {
    let host = host(2);
    let code = "import os, time\nbegun = time.time()\nif os.environ['AWS_LAMBDA_FUNCTION_VERSION'] == '1': raise KeyError('no')\n";
    let mut f = Function::clone(&*host.version(code).await);
    f.state = State::Active;
    let (key, row) = (first(&f), version::Published(f.clone()));
    host.env.store.write(move |tx| tx.put(&key, &row)).await.unwrap();
    let request = Request {
        id: "id".to_owned(),
        invoked: f.arn.clone(),
        payload: "{}".into(),
        client_context: None,
        principal: None,
        trace: String::new(),
        sink: None,
    };
    let Outcome::Failure(report) = host.invoker.invoke(Arc::new(f), request).await.unwrap().outcome else {
        panic!("it ran")
    };
    assert!(String::from_utf8_lossy(&report).contains("KeyError"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_nobody_invokes_for_14_days_is_inactive_until_it_is_invoked() {
    const DAYS_14: i64 = 14 * 86_400;
    let host = Arc::new(host(4));
    let f = host.active_with(COUNT, &[("CASEMATE_SNAPSHOTS", "2")]).await;
    let room = host.invoker.host.as_ref().unwrap().room.clone();
    host.invoker.look_for_unused(host.later(DAYS_14 - 10)).await;
    assert_eq!(host.now(&f).state, State::Active);
    host.invoker.look_for_unused(host.later(DAYS_14 + 3_600)).await;
    let idle = host.now(&f);
    assert_eq!(idle.state, State::Inactive { failed: None });
    host.invoker.start_missing();
    assert_eq!((room.held(&f.arn), host.invoker.ready.kept(f.arn.as_str())), (0, 0), "nothing of it is kept");

    let Err(Error::SnapStartNotReadyException(_)) = host.invoke(&idle, "0").await else { panic!("it ran") };
    let shown = host.now(&f).state.shown();
    if host.now(&f).state != State::Active {
        assert_eq!(shown.2, Some(StateReasonCode::Restoring));
    }
    host.made(&f).await;
    let again = host.now(&f);
    assert_eq!((again.state.clone(), &again.revision_id), (State::Active, &f.revision_id));
    assert_eq!(host.invoke(&again, "0").await.unwrap(), "1");
    assert_eq!(host.invoker.ready.kept(f.arn.as_str()), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_noted_and_keeps_its_version_active() {
    let host = Arc::new(host(4));
    let f = host.active(COUNT).await;
    // As if it had been made long ago.
    let (key, long_ago) = (first(&f), host.later(-40 * 86_400));
    let made = key.clone();
    host.env.store.write(move |tx| tx.put(&made, &Used(long_ago))).await.unwrap();
    host.invoke(&f, "0").await.unwrap();
    let noted = || host.env.store.read(|tx| tx.get::<Used>(&key)).unwrap().unwrap().0;
    for _ in 0..500 {
        if noted() != long_ago {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(noted() > long_ago);
    host.invoker.look_for_unused(host.later(0)).await;
    assert_eq!(host.now(&f).state, State::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_again_is_inactive_and_says_why() {
    let host = host(2);
    let mut f = Function::clone(&*host.version("raise KeyError('hush')").await);
    f.state = State::Inactive { failed: None };
    let (key, row) = (first(&f), version::Published(f.clone()));
    host.env.store.write(move |tx| tx.put(&key, &row)).await.unwrap();
    for _ in 0..2 {
        // Each request tries anew.
        let now = host.now(&f);
        assert!(matches!(host.invoke(&now, "0").await, Err(Error::SnapStartNotReadyException(_))));
        host.made(&f).await;
        let State::Inactive { failed: Some((code, why)) } = host.now(&f).state.clone() else {
            panic!("not inactive")
        };
        assert_eq!(code, "FunctionError");
        assert!(why.contains("KeyError") && !why.contains("hush"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_environment_ends_while_it_is_restored_is_served_by_another() {
    let host = Arc::new(host(4));
    let code = "import time, snapshot_restore_py\nmade = time.time()\nsnapshot_restore_py.register_after_restore(lambda: time.sleep(1))\ndef handler(event, context):\n    return [made, 0]\n";
    let f = host.active(code).await;
    let lost = host.idle().await;
    let began = seconds_now();
    let request = tokio::spawn({
        let (host, f) = (Arc::clone(&host), Arc::clone(&f));
        async move { host.burst(&f, 1, "0").await }
    });
    while lost.is_unrestored() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    lost.end_now();
    let by = request.await.unwrap();
    assert!(*by.first().unwrap() > began, "{by:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_started_ahead_once_the_pool_is_closed() {
    let host = host(4);
    let f = host.active(COUNT).await;
    let own = host.invoker.host.clone().unwrap();
    assert!(host.invoker.start_ahead(&own, &f, Purpose::OnDemand).await);
    host.invoker.close();
    assert!(!host.invoker.start_ahead(&own, &f, Purpose::OnDemand).await);
    assert_eq!((host.invoker.pool.idle(&f), own.room.held(&f.arn)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_began_and_went_elsewhere_has_an_end_in_the_log() {
    let host = host(2);
    let f = host.active(COUNT).await;
    let log = host.idle().await.log_of_given_up("it").await;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    for (line, begins) in
        lines.iter().zip(["START RequestId: it ", "END RequestId: it", "REPORT RequestId: it\t"])
    {
        assert!(line.starts_with(begins), "{line}");
    }
    assert!(lines.last().unwrap().contains("Status: error"), "{log}");
    assert_eq!(host.invoke(&f, "0").await.unwrap(), "1");
}
