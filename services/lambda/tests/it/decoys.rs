//! A key pair that belongs to nobody, where functions are reached and where they reach out.

use casemate_kernel::Peer;
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request};
use hyper::{
    Method,
    header::{HOST, HeaderValue},
};

use crate::{
    configuration::{named, python, with},
    support::{Bench, bench, text},
};

fn alarmed(bench: &Bench) {
    let alarm = bench.world.last_record().alarm.expect("an alarm");
    assert!(alarm.contains("the decoy key of the cellar was used from"), "{alarm}");
}

#[tokio::test]
async fn a_decoy_is_refused_at_function_urls_and_at_the_endpoint_of_functions() {
    let bench = bench();
    let decoy = bench.world.env().plant_decoy("the cellar".to_owned()).unwrap();
    let bait = |id: &str, secret: &str| Credentials {
        access_key_id: id.to_owned(),
        secret: secret.to_owned().into(),
        ..bench.admin.clone()
    };
    bench.done("CreateFunction", python("f")).await;
    let url = bench.done("CreateFunctionUrlConfig", with(named("f"), &[("AuthType", text("AWS_IAM"))])).await;
    let host =
        url["FunctionUrl"].as_str().unwrap().split_once("://").unwrap().1.trim_end_matches('/').to_owned();
    let call = |who: &Credentials| {
        let mut request = Request::new(Method::GET, "/");
        request.headers = vec![(HOST, HeaderValue::from_str(&host).unwrap())];
        request.signed(who, "lambda", "us-east-1", bench.world.now())
    };
    let unknown = bait("AKIAUNKNOWN000000000", "x");
    let refused = bench.world.send(&call(&unknown)).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(bench.world.last_record().alarm.is_none());
    let environment = Peer::Environment {
        id: "0".repeat(32),
        function: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap(),
        at_work: true,
    };
    let list = |who: &Credentials| bench.world.request(who, "lambda", "ListFunctions", &Document::empty());
    let inside = bench.world.send_from(environment.clone(), &list(&unknown)).await;
    assert_eq!(inside.status, 403, "{}", inside.text());
    assert!(bench.world.last_record().alarm.is_none());
    for secret in [decoy.secret_access_key().expose().as_str(), "guessed"] {
        let bait = bait(decoy.access_key_id(), secret);
        let answer = bench.world.send(&call(&bait)).await;
        assert_eq!((answer.status, answer.text()), (refused.status, refused.text()));
        alarmed(&bench);
        let answer = bench.world.send_from(environment.clone(), &list(&bait)).await;
        assert_eq!((answer.status, answer.code()), (inside.status, inside.code()));
        alarmed(&bench);
    }
}
