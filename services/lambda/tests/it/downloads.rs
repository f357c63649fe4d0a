//! Links to packages: what `GetFunction` and the layers' operations answer as `Location`, and what becomes of whoever follows one.

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_kernel::Peer;
use casemate_names::{Arn, sha256};
use casemate_schema::Document;
use casemate_testkit::{Request, Response};
use hyper::Method;

use crate::{
    configuration::{named, python, with},
    support::{ALL, Bench, archive, archive_of, bench, text},
};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";
const MINUTES_10: i64 = 600;

/// Path and query of a link, as a client sends them.
fn target(location: &serde_json::Value) -> String {
    let address = location.as_str().expect("a link");
    let (_, rest) = address.split_once("://").expect("an address");
    format!("/{}", rest.split_once('/').expect("a path").1)
}

async fn link(bench: &Bench, name: &str) -> String {
    target(&bench.done("GetFunction", named(name)).await["Code"]["Location"])
}

async fn fetch(bench: &Bench, target: &str) -> Response {
    bench.world.send(&Request::new(Method::GET, target)).await
}

/// Status and code of a refusal. Its answer holds nothing of a package.
async fn refused(bench: &Bench, target: &str) -> (u16, String) {
    let answer = fetch(bench, target).await;
    assert_eq!(answer.headers["content-type"], "application/xml", "{}", answer.text());
    (answer.status.as_u16(), answer.code().expect("a code"))
}

fn digest(answer: &Response) -> String {
    STANDARD.encode(sha256(&answer.body))
}

fn code(content: &str) -> Document {
    with(named("f"), &[("ZipFile", archive(&[("app.py", content)]))])
}

fn dead() -> (u16, String) {
    (403, "SignatureDoesNotMatch".to_owned())
}

fn gone() -> (u16, String) {
    (404, "NoSuchKey".to_owned())
}

#[tokio::test]
async fn a_link_gives_the_zip_as_it_was_uploaded_and_both_requests_are_in_the_trail() {
    let bench = bench();
    let made = bench.done("CreateFunction", with(python("f"), &[("Publish", Document::Bool(true))])).await;
    let answer = bench.call("GetFunction", named("f")).await;
    let shown = answer.json();
    assert_eq!(shown["Code"]["RepositoryType"], "S3");
    let target = target(&shown["Code"]["Location"]);
    let given = bench.world.last_record();
    let zip = fetch(&bench, &target).await;
    assert_eq!(
        (zip.status.as_u16(), &zip.headers["content-type"]),
        (200, &"application/zip".parse().unwrap())
    );
    assert_eq!(
        (digest(&zip), zip.body.len() as u64),
        (made["CodeSha256"].as_str().unwrap().to_owned(), made["CodeSize"].as_u64().unwrap())
    );
    let record = bench.world.last_record();
    assert_eq!((record.operation.as_deref(), record.outcome.status), (Some("download"), 200));
    assert_eq!(record.parent.as_deref(), Some(given.id.as_str()));
    assert_eq!(
        (record.caller.as_str(), record.path.as_deref()),
        ("anonymous", Some(format!("/_casemate/code/{ARN}").as_str()))
    );
    let token = target.split_once("token=").unwrap().1;
    let trail = format!("{:?}", bench.records());
    assert!(!trail.contains(token.get(..40).unwrap()), "a token is in the trail");
    // A version has a link of its own.
    bench.done("UpdateFunctionCode", code("x = 2")).await;
    let link = link(&bench, "f:1").await;
    assert!(link.starts_with(&format!("/_casemate/code/{ARN}:1?token=")));
    assert_eq!(fetch(&bench, &link).await.body, zip.body);
}

#[tokio::test]
async fn layers_have_links_wherever_they_are_shown() {
    let bench = bench();
    let content = Document::structure([("ZipFile", archive(&[("python/tools.py", "x = 1")]))]);
    let layer = [("LayerName", text("tools"))];
    let made = bench
        .done("PublishLayerVersion", with(Document::structure(layer.clone()), &[("Content", content)]))
        .await;
    let version = with(Document::structure(layer), &[("VersionNumber", Document::Integer(1))]);
    let arn = made["LayerVersionArn"].as_str().unwrap();
    let by_arn = Document::structure([("Arn", text(arn))]);
    let shown = [
        made.clone(),
        bench.done("GetLayerVersion", version.clone()).await,
        bench.done("GetLayerVersionByArn", by_arn).await,
    ];
    for one in &shown {
        let zip = fetch(&bench, &target(&one["Content"]["Location"])).await;
        assert_eq!(
            (zip.status.as_u16(), digest(&zip)),
            (200, made["Content"]["CodeSha256"].as_str().unwrap().to_owned())
        );
    }
    // A function keeps the package, the link's layer version does not.
    bench.done("CreateFunction", with(python("f"), &[("Layers", Document::List(vec![text(arn)]))])).await;
    bench.done("DeleteLayerVersion", version).await;
    assert_eq!(refused(&bench, &target(&made["Content"]["Location"])).await, gone());
}

#[tokio::test]
async fn a_link_ends_after_ten_minutes() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let link = link(&bench, "f").await;
    bench.world.clock.advance_seconds(MINUTES_10 - 1);
    assert_eq!(fetch(&bench, &link).await.status, 200);
    bench.world.clock.advance_seconds(1);
    assert_eq!(refused(&bench, &link).await, (403, "AccessDenied".to_owned()));
    assert_eq!(fetch(&bench, &link).await.message(), "Request has expired");
    assert_eq!(bench.world.last_record().outcome.status, 403);
}

#[tokio::test]
async fn a_link_that_was_altered_or_is_for_something_else_gives_nothing() {
    let bench = bench();
    for name in ["f", "g"] {
        bench.done("CreateFunction", with(python(name), &[("Publish", Document::Bool(true))])).await;
    }
    let link = link(&bench, "f").await;
    let (path, query) = link.split_once('?').unwrap();
    let backwards: String = query.trim_start_matches("token=").chars().rev().collect();
    for bad in [
        path.to_owned(),
        format!("{path}?token="),
        format!("{path}?token={backwards}"),
        format!("{path}?{query}&x=1"),
        format!("{path}?{}", query.get(..query.len() - 2).unwrap()),
        format!("{path}?token={}", "A".repeat(5_000)),
        // Another function with the same package, a version, another account.
        format!("/_casemate/code/{}?{query}", ARN.replace("function:f", "function:g")),
        format!("{path}:1?{query}"),
        format!("/_casemate/code/{}?{query}", ARN.replace("123456789012", "210987654321")),
    ] {
        assert_eq!(refused(&bench, &bad).await, dead(), "{bad}");
        assert_eq!(bench.world.last_record().parent, None);
    }
    // The same whether or not there is such a function.
    assert_eq!(refused(&bench, &format!("/_casemate/code/{ARN}-none?{query}")).await, dead());
    assert_eq!(fetch(&bench, &link).await.status, 200);
}

#[tokio::test]
async fn a_link_ends_with_its_function_and_with_the_package_of_its_function() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    // The same package, which therefore stays.
    bench.done("CreateFunction", python("g")).await;
    let first = link(&bench, "f").await;
    bench
        .done("UpdateFunctionConfiguration", with(named("f"), &[("MemorySize", Document::Integer(256))]))
        .await;
    assert_eq!(fetch(&bench, &first).await.status, 200, "its package is the same");
    bench.done("UpdateFunctionCode", code("x = 2")).await;
    assert_eq!(refused(&bench, &first).await, gone());
    let second = link(&bench, "f").await;
    bench.done("DeleteFunction", named("f")).await;
    assert_eq!(refused(&bench, &second).await, gone());
    bench.done("CreateFunction", python("f")).await;
    assert_eq!(
        refused(&bench, &first).await,
        gone(),
        "another function of the same name, with the same package"
    );
}

#[tokio::test]
async fn links_are_for_get_from_outside_only() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let link = link(&bench, "f").await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::HEAD] {
        let answer = bench.world.send(&Request::new(method, &link)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_deref()), (405, Some("MethodNotAllowed")));
    }
    let function = Arn::parse(ARN).unwrap();
    for peer in [Peer::Environment { id: "e".to_owned(), function, at_work: true }, Peer::Internal] {
        let answer = bench.world.send_from(peer, &Request::new(Method::GET, &link)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_deref()), (403, Some("AccessDenied")));
        assert_eq!(bench.world.last_record().outcome.status, 403);
    }
}

#[tokio::test]
async fn who_may_not_get_the_function_gets_no_link() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let no_code = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"lambda:GetFunction","Resource":"*"}]}"#;
    let user = bench.world.identities().user("ann", &[no_code]);
    let get = async |operation| bench.world.call(&user, "lambda", operation, named("f")).await;
    let answer = get("GetFunction").await;
    assert!(answer.status == 403 && !answer.text().contains("token="), "{}", answer.text());
    assert!(!get("GetFunctionConfiguration").await.text().contains("token="));
    let other = bench.world.other_account();
    let stranger = bench.world.identities().user_of(&other, "eve", &[ALL], None);
    let whole = Document::structure([("FunctionName", text(ARN))]);
    assert_eq!(bench.world.call(&stranger, "lambda", "GetFunction", whole).await.status, 403);
}

#[tokio::test]
async fn who_takes_no_package_to_its_end_leaves_room_to_other_accounts_only() {
    let bench = bench();
    let mut number = 1_u32;
    // As nothing can pack it.
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        number.to_be_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    let zip = archive_of([("app.py", noise.as_slice(), 0o644)]);
    bench.done("CreateFunction", Bench::definition("f", "python3.11", "app.handler", zip)).await;
    let link = link(&bench, "f").await;
    let peer = Peer::Network { address: "192.0.2.1:1".parse().unwrap(), tls: false };
    let mut untaken = Vec::new();
    let refused = loop {
        let answer =
            bench.world.kernel.serve(peer.clone(), Request::new(Method::GET, &link).incoming()).await;
        match answer.stream {
            Some(stream) => untaken.push(stream),
            None => break answer,
        }
    };
    assert_eq!((refused.status.as_u16(), untaken.len()), (503, 127));
    assert!(String::from_utf8_lossy(&refused.body).contains("<Code>SlowDown</Code>"));
    drop(untaken);
    // Whoever sent them notices in a moment.
    while fetch(&bench, &link).await.status == 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fetch(&bench, &link).await.status, 200);
}
