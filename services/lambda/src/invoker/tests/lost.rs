//! Environments that are lost while they work, through no fault of their function.

use super::{
    starts::{HELD, go_on, held},
    *,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_environment_is_lost_is_an_error_of_the_platform_and_not_the_functions_answer() {
    let (host, mut lines) = held(4);
    let f = host.function("lost", HELD, &[]).await;
    let request = host.ask(&f);
    let (line, key) = lines.next_of("loads").await;
    go_on(line).await;
    let (_line, _) = lines.next_of("serves").await;
    host.kill_spawner();
    let refused = request.await.unwrap();
    let Err(Error::ServiceException(error)) = refused else { panic!("{refused:?}") };
    assert!(error.message.unwrap().contains("lost while the function worked"));
    let events = host.env.audit.records();
    let named = |name: &str| events.iter().filter(|one| one.operation.as_deref() == Some(name)).count();
    assert_eq!((named("lambda.environment-lost"), named("sandbox.runtime-killed")), (1, 0));
    // Nothing of it is left.
    host.is_revoked(&key).await;
    while host.room_held(&f) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_by_itself_stays_the_functions_failure() {
    let host = host(4);
    let code = "import os\ndef handler(event, context):\n  os._exit(event)\n";
    let f = host.function("ends", code, &[]).await;
    for (payload, how) in [("3", "exit status 3"), ("0", "without providing a reason")] {
        let request = Request {
            id: hex_id(&*host.env.entropy, "test.request", 32),
            invoked: f.arn.clone(),
            payload: payload.into(),
            client_context: None,
            principal: None,
            trace: String::new(),
            sink: None,
        };
        let finished = host.invoker.invoke(Arc::clone(&f), request).await.unwrap();
        let Outcome::Failure(report) = finished.outcome else { panic!("it answered") };
        assert!(String::from_utf8_lossy(&report).contains(how), "{report:?}");
    }
}
