//! Extensions without processes.

use casemate_names::NamedEntropy;
use casemate_sandbox::ExitStatus;

use super::*;
use crate::invocation::Outcome;

fn extensions(names: &[&str]) -> Arc<Extensions> {
    let about = About {
        account: "123456789012".into(),
        name: "f".into(),
        version: "$LATEST".into(),
        handler: "main.handler".into(),
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Arc::new(Extensions::new(about, Arc::new(NamedEntropy::seeded(1)), &names))
}

fn lines(extensions: &Extensions) -> Vec<String> {
    extensions.notes().into_iter().filter_map(|note| note.text).collect()
}

fn both() -> Vec<String> {
    vec!["INVOKE".to_owned(), "SHUTDOWN".to_owned()]
}

fn id(extensions: &Extensions, name: &str, events: &[String]) -> String {
    extensions.register(name, events).unwrap().expose().clone()
}

fn invoke() -> Invoke {
    Invoke {
        request_id: "a".into(),
        invoked: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap(),
        trace_id: "Root=1".into(),
        deadline: Timestamp::from_millis(1_234),
    }
}

/// Asks, and waits until that is known.
async fn asking(extensions: &Arc<Extensions>, id: &str) -> tokio::task::JoinHandle<Result<Told, Refused>> {
    let (shared, own) = (Arc::clone(extensions), id.to_owned());
    let task = tokio::spawn(async move { shared.next(&own).await });
    let ready = |state: &State| {
        let of = |one: &&Extension| one.id.matches(id.as_bytes());
        state.extensions.iter().find(of).is_some_and(|one| one.stage == Stage::Ready)
    };
    drop(extensions.state.subscribe().wait_for(ready).await);
    task
}

fn transition(from: Stage, to: Stage, whose: &str) -> Refused {
    Refused::Transition { from, to, whose: Secret::new(whose.to_owned()) }
}

#[tokio::test]
async fn an_extension_is_told_of_requests_and_of_the_end() {
    let extensions = extensions(&["one"]);
    let one = id(&extensions, "one", &both());
    extensions.registered().await;
    assert!(!extensions.invoke(invoke()), "it has not asked");
    let asked = asking(&extensions, &one).await;
    extensions.idle().await;
    assert!(extensions.invoke(invoke()));
    assert_eq!(asked.await.unwrap(), Ok(Told::Invoke(Arc::new(invoke()))));
    assert!(!extensions.is_idle());
    let asked = asking(&extensions, &one).await;
    extensions.idle().await;
    let deadline = Timestamp::from_millis(9);
    extensions.shut_down(Reason::Spindown, deadline);
    assert_eq!(asked.await.unwrap(), Ok(Told::Shutdown { reason: Reason::Spindown, deadline }));
    extensions.ended(0, MemberEnd::Exited(ExitStatus::Code(0)));
    extensions.gone().await;
    assert!(extensions.state.borrow().fault.is_none(), "that was its end");
}

#[tokio::test]
async fn who_is_busy_at_the_end_is_told_when_it_asks() {
    let extensions = extensions(&["one"]);
    let one = id(&extensions, "one", &both());
    extensions.shut_down(Reason::Timeout, Timestamp::from_millis(1));
    assert!(matches!(extensions.next(&one).await, Ok(Told::Shutdown { reason: Reason::Timeout, .. })));
    // Once: who asks again waits.
    let again = tokio::time::timeout(std::time::Duration::ZERO, extensions.next(&one)).await;
    assert!(again.is_err(), "{again:?}");
}

#[tokio::test]
async fn who_did_not_ask_for_an_event_is_not_told_of_it() {
    let extensions = extensions(&["one", "two"]);
    let (one, two) = (id(&extensions, "one", &both()[..1]), id(&extensions, "two", &both()[1..]));
    let (_first, second) = (asking(&extensions, &one).await, asking(&extensions, &two).await);
    assert!(extensions.invoke(invoke()));
    assert!(!second.is_finished());
    extensions.shut_down(Reason::Failure, Timestamp::from_millis(1));
    assert!(matches!(second.await.unwrap(), Ok(Told::Shutdown { .. })));
    extensions.ended(1, MemberEnd::Exited(ExitStatus::Code(0)));
    // The first is not waited for: it would not learn of the end.
    extensions.gone().await;
}

#[tokio::test]
async fn events_that_are_none_or_not_for_internal_extensions_are_refused() {
    let extensions = extensions(&["one"]);
    let text = |refused| match refused {
        Err(Refused::EventType(text)) => text,
        other => panic!("{other:?}"),
    };
    let refused = text(extensions.register("inside", &both()));
    assert_eq!(refused, "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension");
    let refused = text(extensions.register("one", &["invoke".to_owned()]));
    assert_eq!(refused, "invoke: ErrorInvalidEventType");
    let long = text(extensions.register("one", &["x".repeat(9_000)]));
    assert!(long.len() < 100, "{long}");
}

#[tokio::test]
async fn registering_late_twice_or_as_the_eleventh_is_refused() {
    let extensions = extensions(&["one"]);
    id(&extensions, "one", &both());
    let again = extensions.register("one", &both()).unwrap_err();
    assert_eq!(again, transition(Stage::Registered, Stage::Registered, "one"));
    for number in 1..EXTENSIONS_MAX {
        id(&extensions, &number.to_string(), &both()[..1]);
    }
    assert_eq!(extensions.register("eleventh", &[]).unwrap_err(), Refused::TooMany);
    let few = super::tests::extensions(&["late"]);
    id(&few, "inside", &[]);
    assert_eq!(few.register("inside", &[]).unwrap_err(), Refused::NameTaken);
    few.close_registration();
    assert_eq!(few.register("other", &[]).unwrap_err(), Refused::Closed);
    let late = few.register("late", &both()).unwrap_err();
    assert_eq!(late, transition(Stage::Started, Stage::Registered, "late"));
}

#[tokio::test]
async fn a_failure_between_two_requests_is_known_before_the_next() {
    let extensions = extensions(&["one", "two"]);
    let (one, two) = (id(&extensions, "one", &both()), id(&extensions, "two", &both()));
    let _asked = (asking(&extensions, &one).await, asking(&extensions, &two).await);
    assert_eq!(extensions.fault(), None);
    extensions.exit_error(&two, "Extension.Two").unwrap();
    assert_eq!(extensions.fault().unwrap().kind(), "Extension.ExitError");
    extensions.ended(0, MemberEnd::Exited(ExitStatus::Code(9)));
    assert_eq!(extensions.fault().unwrap().kind(), "Extension.Crash");
    assert!(!extensions.invoke(invoke()));
}

#[tokio::test]
#[expect(clippy::string_slice, reason = "ASCII of the test itself")]
async fn nobody_speaks_for_an_extension_without_its_identifier() {
    let extensions = extensions(&["one", "two"]);
    let (one, two) = (id(&extensions, "one", &both()), id(&extensions, "two", &both()));
    assert_ne!(one, two);
    for wrong in ["", "one", &one[..35], &format!("{one}0"), &one.to_uppercase().replace('A', "B")] {
        assert_eq!(extensions.next(wrong).await, Err(Refused::Unknown), "{wrong}");
        assert_eq!(extensions.exit_error(wrong, "x"), Err(Refused::Unknown));
    }
    assert!(!format!("{extensions:?}").contains(&one));
    let asked = extensions.init_error(&one, "x").and_then(|()| extensions.exit_error(&one, "x"));
    assert!(matches!(asked, Err(Refused::Transition { .. })) && !format!("{asked:?}").contains(&one));
}

#[tokio::test]
async fn an_identifier_is_worth_nothing_before_its_extension_has_registered() {
    let extensions = extensions(&["one"]);
    let one = extensions.state.borrow().extensions[0].id.expose().clone();
    assert_eq!(extensions.next(&one).await, Err(Refused::Unknown));
}

#[tokio::test]
async fn asking_twice_and_failing_at_the_wrong_time_are_refused() {
    let extensions = extensions(&["one"]);
    let one = id(&extensions, "one", &both());
    let _asked = asking(&extensions, &one).await;
    assert_eq!(extensions.next(&one).await, Err(transition(Stage::Ready, Stage::Ready, &one)));
    let late = extensions.init_error(&one, "x");
    assert_eq!(late, Err(transition(Stage::Ready, Stage::InitError, &one)));
    extensions.exit_error(&one, "Extension.Bye").unwrap();
    extensions.exit_error(&one, "Extension.Bye").unwrap();
    assert_eq!(extensions.next(&one).await, Err(transition(Stage::ExitError, Stage::Ready, &one)));
    assert_eq!(
        lines(&extensions),
        ["EXTENSION\tName: one\tState: ExitError\tEvents: [INVOKE,SHUTDOWN]\tError Type: Extension.Bye"]
    );
}

#[tokio::test]
async fn what_a_failure_is_called_depends_on_what_was_said_before() {
    let text = |fault: &Fault| match fault.outcome("id") {
        Outcome::Failure(body) => String::from_utf8(body.to_vec()).unwrap(),
        other @ Outcome::Answer(_) => panic!("{other:?}"),
    };
    let exited = |code| MemberEnd::Exited(ExitStatus::Code(code));
    let crash = extensions(&["one"]);
    crash.ended(0, exited(255));
    let fault = crash.failed().await.unwrap();
    let expected = r#"{"errorType":"Extension.Crash","errorMessage":"RequestId: id Error: exit status 255"}"#;
    assert_eq!(text(&fault), expected);
    assert_eq!(
        lines(&crash),
        ["EXTENSION\tName: one\tState: Exited\tEvents: []\tError Type: Extension.Crash"]
    );
    let launch = extensions(&["one"]);
    launch.ended(0, MemberEnd::NotExecuted(13));
    let fault = launch.failed().await.unwrap();
    assert!(text(&fault).contains(r#""Extension.LaunchError""#));
    assert!(text(&fault).ends_with(r#"Error: fork/exec /opt/extensions/one: permission denied"}"#));
    let reported = extensions(&["one"]);
    let one = id(&reported, "one", &both());
    reported.init_error(&one, "Extension.NoConfig").unwrap();
    assert!(text(&reported.failed().await.unwrap_err()).contains("Extension.InitError"));
    reported.ended(0, exited(0));
    let expected = r#"{"errorType":"Extension.InitError","errorMessage":"RequestId: id Error: exit code 0"}"#;
    assert_eq!(text(&reported.failed().await.unwrap()), expected);
}
