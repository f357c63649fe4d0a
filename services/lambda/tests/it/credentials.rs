//! A function's credentials: good inside its environment, for as long as that lives, and nowhere else.

use casemate_kernel::Peer;
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request};

use crate::support::{ALL, Bench, TRUST, sandboxed, text};

/// What a function's environment gives away, and the socket on which it is good.
struct Stolen {
    credentials: Credentials,
    own: Peer,
    elsewhere: Peer,
}

/// Function `f`, whose role may do anything, tells everything it knows.
async fn stolen(bench: &Bench) -> Stolen {
    bench.world.identities().role("reader", &[ALL], Some(TRUST));
    let code = "import os\ndef handler(event, context):\n  return dict(os.environ)\n";
    bench.python_with("f", code, &[("Role", Bench::role_arn("reader"))]).await;
    let env = bench.invoke("f", "{}").await.ok();
    let of = |name: &str| env[name].as_str().unwrap().to_owned();
    let credentials = Credentials {
        access_key_id: of("AWS_ACCESS_KEY_ID"),
        secret: of("AWS_SECRET_ACCESS_KEY").into(),
        session_token: Some(of("AWS_SESSION_TOKEN")),
        caller: None,
    };
    let id = of("AWS_LAMBDA_LOG_STREAM_NAME").rsplit(']').next().unwrap().to_owned();
    let function = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
    Stolen {
        credentials,
        own: Peer::Environment { id, function: function.clone() },
        elsewhere: Peer::Environment { id: "0".repeat(32), function },
    }
}

impl Stolen {
    fn request(&self, bench: &Bench) -> Request {
        bench.world.request(&self.credentials, "lambda", "ListFunctions", &Document::empty())
    }

    async fn inside(&self, bench: &Bench) -> u16 {
        bench.world.send_from(self.own.clone(), &self.request(bench)).await.status.as_u16()
    }

    async fn become_worthless(&self, bench: &Bench) {
        for _ in 0..500 {
            if self.inside(bench).await == 403 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the credentials outlive their environment");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_refused_outside_with_an_alarm_and_in_other_environments() {
    let bench = sandboxed();
    let stolen = stolen(&bench).await;
    let outside = bench.world.send(&stolen.request(&bench)).await;
    assert_eq!(outside.status, 403, "{}", outside.text());
    assert!(bench.world.last_record().alarm.is_some());
    let elsewhere = bench.world.send_from(stolen.elsewhere.clone(), &stolen.request(&bench)).await;
    assert_eq!(elsewhere.status, 403, "{}", elsewhere.text());
    assert_eq!(stolen.inside(&bench).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_with_the_function() {
    let bench = sandboxed();
    let stolen = stolen(&bench).await;
    assert_eq!(stolen.inside(&bench).await, 200);
    bench.done("DeleteFunction", Document::structure([("FunctionName", text("f"))])).await;
    stolen.become_worthless(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_with_an_environment_that_nobody_needs() {
    let bench = sandboxed();
    let stolen = stolen(&bench).await;
    bench.world.clock.advance_seconds(299);
    assert_eq!(stolen.inside(&bench).await, 200);
    // An environment counts as idle from when it is back in the pool, which may be some time after the answer, so time has to
    // pass again until it is. In all it stays far below the hour that the credentials live.
    for _ in 0..5 {
        bench.world.clock.advance_seconds(301);
        for _ in 0..150 {
            if stolen.inside(&bench).await == 403 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    panic!("the credentials outlive an environment that nobody needs");
}
