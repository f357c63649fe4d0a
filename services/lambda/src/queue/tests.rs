//! What becomes of an event whose try ends otherwise than by its function.

use std::sync::atomic::{AtomicBool, Ordering};

use casemate_names::Entropy;

use super::*;
use crate::invoker::tests::{
    Host, host,
    starts::{HELD, go_on, held},
};

/// Panics the first time an event's function is looked up.
#[derive(Debug)]
struct Panicking {
    armed: AtomicBool,
    then: Arc<dyn Entropy>,
}

impl Entropy for Panicking {
    fn fill(&self, purpose: &'static str, out: &mut [u8]) {
        if purpose == "lambda.alias-route" {
            assert!(!self.armed.swap(false, Ordering::SeqCst), "as the test wants it");
        }
        self.then.fill(purpose, out);
    }
}

/// A queue that works at looks only.
async fn accepted(env: &Env, host: &Host, function: &Function) -> Arc<Queue> {
    let queue = Arc::new(Queue::new(env, Arc::clone(&host.invoker)));
    let request = Request {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        invoked: function.arn.clone(),
        payload: "{}".into(),
        client_context: None,
        principal: None,
        trace: String::new(),
        sink: None,
    };
    queue.accept(function, request, false, env.clock.now()).await.unwrap();
    queue
}

fn rows(queue: &Queue) -> Vec<(Key, Waiting)> {
    queue.env.store.read(|tx| tx.scan::<Waiting>(&Key::global(), None, usize::MAX)).unwrap()
}

/// Waits until no event has a turn.
async fn idle(queue: &Queue, function: &Function) {
    while queue.turns().left(&function.arn, 64, usize::MAX) != 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_turn_of_an_event_whose_task_panics_is_given_back_and_the_event_is_tried_again() {
    let host = host(4);
    let f = host.function("panics", "def handler(event, context):\n  return 1\n", &[]).await;
    let mut env = host.env.clone();
    let entropy = Arc::new(Panicking { armed: AtomicBool::new(true), then: Arc::clone(&env.entropy) });
    env.entropy = Arc::clone(&entropy) as Arc<dyn Entropy>;
    let queue = accepted(&env, &host, &f).await;
    let before = rows(&queue);
    queue.look(None).await;
    idle(&queue, &f).await;
    assert!(!entropy.armed.load(Ordering::SeqCst), "nothing has panicked");
    let [(key, waiting)] = before.as_slice() else { panic!("{before:?}") };
    assert!(!queue.turns().runs(&f.arn, key));
    let [(same, left)] = &*rows(&queue) else { panic!("the event is lost") };
    assert_eq!((same, left.failures, left.delays), (key, waiting.failures, waiting.delays));
    // The next look finds it as due as before, and now it runs.
    queue.look(None).await;
    idle(&queue, &f).await;
    assert!(rows(&queue).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_environment_is_lost_waits_for_another_try_and_has_failed_no_time() {
    let (host, mut lines) = held(4);
    let f = host.function("lost-event", HELD, &[]).await;
    let config = EventConfig { retries: Some(0), ..EventConfig::default() };
    let at = FunctionRef::of_arn(&f.arn).unwrap();
    host.env.store.write(move |tx| tx.put(&at.qualified_key(), &config)).await.unwrap();
    let queue = accepted(&host.env, &host, &f).await;
    queue.look(None).await;
    go_on(lines.next_of("loads").await.0).await;
    let (_line, _) = lines.next_of("serves").await;
    host.kill_spawner();
    idle(&queue, &f).await;
    let [(key, waiting)] = &*rows(&queue) else { panic!("the event is lost") };
    assert_eq!((waiting.failures, waiting.delays), (0, 1));
    // The first wait.
    let due = key.number_at(1).unwrap();
    assert_eq!(Some(due), u64::try_from(host.env.clock.now().plus_seconds(1).millis()).ok());
    let dropped = |one: &audit::Record| one.operation.as_deref() == Some("lambda.request-dropped");
    assert!(!host.env.audit.records().iter().any(dropped));
}
