//! Layers: `PublishLayerVersion`, `GetLayerVersion`, `GetLayerVersionByArn`, `ListLayers`, `ListLayerVersions`,
//! `DeleteLayerVersion`, `AddLayerVersionPermission`, `RemoveLayerVersionPermission`, `GetLayerVersionPolicy`.

use casemate_schema::Document;
use casemate_testkit::Credentials;

use crate::{
    configuration::{named, python, with},
    support::{ALL, Bench, archive, archive_of, bench, runtime, sandboxed, text},
};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:layer:tools";

fn layer(name: &str, content: &str) -> Document {
    Document::structure([
        ("LayerName", text(name)),
        ("Content", Document::structure([("ZipFile", archive(&[("python/tools.py", content)]))])),
    ])
}

fn version(number: i64) -> Document {
    Document::structure([("LayerName", text("tools")), ("VersionNumber", Document::Integer(number))])
}

fn layers(arns: &[&str]) -> (&'static str, Document) {
    ("Layers", Document::List(arns.iter().map(|arn| text(arn)).collect()))
}

fn granted(id: &str, principal: &str) -> Document {
    with(
        version(1),
        &[
            ("StatementId", text(id)),
            ("Action", text("lambda:GetLayerVersion")),
            ("Principal", text(principal)),
        ],
    )
}

#[tokio::test]
async fn versions_are_published_listed_and_deleted() {
    let bench = bench();
    let first = with(
        layer("tools", "x = 1"),
        &[
            ("CompatibleRuntimes", Document::List(vec![text("python3.11")])),
            ("Description", text("d")),
            ("LicenseInfo", text("MIT")),
        ],
    );
    let answer = bench.call("PublishLayerVersion", first).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let one = answer.json();
    assert_eq!((&one["Version"], &one["LayerArn"]), (&1.into(), &ARN.into()));
    assert_eq!(one["LayerVersionArn"], format!("{ARN}:1"));
    bench.done("PublishLayerVersion", layer("tools", "x = 2")).await;
    bench.done("PublishLayerVersion", layer("zebra", "x = 1")).await;
    // No two links are the same.
    let without_link = |mut one: serde_json::Value| {
        one["Content"].as_object_mut().unwrap().remove("Location").unwrap();
        one
    };
    let one = without_link(one);
    assert_eq!(without_link(bench.done("GetLayerVersion", version(1)).await), one);
    let by_arn = Document::structure([("Arn", text(&format!("{ARN}:1")))]);
    assert_eq!(without_link(bench.done("GetLayerVersionByArn", by_arn).await), one);
    let numbers = async |more: &[(&str, Document)]| {
        let input = with(Document::structure([("LayerName", text("tools"))]), more);
        let listed = bench.done("ListLayerVersions", input).await;
        let all = listed["LayerVersions"].as_array().unwrap().iter();
        all.map(|one| one["Version"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&[]).await, [2, 1]);
    assert_eq!(numbers(&[("CompatibleRuntime", text("python3.11"))]).await, [1]);
    let listed = bench.done("ListLayers", Document::structure([("MaxItems", Document::Integer(1))])).await;
    assert_eq!(listed["Layers"][0]["LatestMatchingVersion"]["Version"], 2);
    let marker = listed["NextMarker"].as_str().unwrap();
    let listed = bench.done("ListLayers", Document::structure([("Marker", text(marker))])).await;
    assert_eq!(
        (&listed["Layers"][0]["LayerName"], listed["Layers"].as_array().unwrap().len()),
        (&"zebra".into(), 1)
    );
    let unknown = Document::structure([("CompatibleRuntime", text("cobol85"))]);
    let answer = bench.call("ListLayers", unknown).await;
    assert!(answer.message().contains("Value 'cobol85' at 'compatibleRuntime'"), "{}", answer.text());
    bench.done("DeleteLayerVersion", version(2)).await;
    assert_eq!(bench.call("GetLayerVersion", version(2)).await.status, 404);
    assert_eq!(bench.done("PublishLayerVersion", layer("tools", "x = 3")).await["Version"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_runtimes_program_may_be_in_a_layer_and_the_packages_own_comes_first() {
    let bench = sandboxed();
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().parent().unwrap().join("examples/custom_runtime");
    let program = std::fs::read(&program).expect("built with the tests");
    let content = archive_of([("bootstrap", program.as_slice(), 0o755)]);
    let content = Document::structure([("ZipFile", content)]);
    bench
        .done(
            "PublishLayerVersion",
            Document::structure([("LayerName", text("tools")), ("Content", content)]),
        )
        .await;
    let of = |name: &str, files: &[(&str, &str)]| {
        let function = Bench::definition(name, "provided.al2023", "any", archive(files));
        with(function, &[layers(&[&format!("{ARN}:1")])])
    };
    bench.done("CreateFunction", of("f", &[("data", "x")])).await;
    assert_eq!(bench.invoke("f", "[1,2]").await.ok(), serde_json::json!({ "echo": [1, 2] }));
    bench.done("CreateFunction", of("g", &[("bootstrap", "not executable")])).await;
    let report = bench.invoke("g", "{}").await.failed();
    assert!(report["errorMessage"].as_str().unwrap().contains("fork/exec /var/task/bootstrap: "), "{report}");
}

#[tokio::test]
async fn what_is_no_layer_is_refused() {
    let bench = bench();
    for input in [
        layer("a.b", "x"),
        layer("arn:aws:lambda:eu-west-1:123456789012:layer:tools", "x"),
        with(layer("tools", "x"), &[("Content", Document::structure([]))]),
        with(
            layer("tools", "x"),
            &[("Content", Document::structure([("ZipFile", Document::Blob("no".into()))]))],
        ),
    ] {
        assert_eq!(bench.call("PublishLayerVersion", input).await.status, 400);
    }
    for number in ["one", "two", "three", "four", "five", "six"] {
        bench.done("PublishLayerVersion", layer(number, "x = 1")).await;
    }
    bench.done("PublishLayerVersion", layer("one", "x = 2")).await;
    let arn = |name: &str| format!("arn:aws:lambda:us-east-1:123456789012:layer:{name}");
    let all = ["one:1", "two:1", "three:1", "four:1", "five:1", "six:1"].map(arn);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for (arns, expected) in [
        (all.as_slice(), "Cannot reference more than 5 layers."),
        (&[arn("one:1").as_str(), &arn("one:2")], "Two different versions of the same layer"),
        (
            &[arn("seven:1").as_str()],
            "Layer version arn:aws:lambda:us-east-1:123456789012:layer:seven:1 does not exist.",
        ),
        (&[arn("one").as_str()], "validation error"),
    ] {
        let answer = bench.call("CreateFunction", with(python("f"), &[layers(arns)])).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.message().contains(expected), "{}", answer.message());
    }
    bench.done("CreateFunction", with(python("f"), &[layers(&all[..5])])).await;
}

#[tokio::test]
async fn another_account_uses_a_layer_only_where_its_policy_says_so() {
    let bench = bench();
    bench.done("PublishLayerVersion", layer("tools", "x = 1")).await;
    let other = bench.world.other_account();
    let stranger = bench.world.identities().user_of(&other, "ann", &[ALL], None);
    let get = async |who: &Credentials| {
        let by_arn = Document::structure([("Arn", text(&format!("{ARN}:1")))]);
        bench.world.call(who, "lambda", "GetLayerVersionByArn", by_arn).await.status.as_u16()
    };
    assert_eq!(get(&stranger).await, 403);
    let grant = bench.done("AddLayerVersionPermission", granted("s", other.as_str())).await;
    assert_eq!(get(&stranger).await, 200);
    let again = bench.call("AddLayerVersionPermission", granted("s", "*")).await;
    assert_eq!(again.status, 409);
    let policy = bench.done("GetLayerVersionPolicy", version(1)).await;
    assert_eq!(policy["RevisionId"], grant["RevisionId"]);
    assert!(policy["Policy"].as_str().unwrap().contains(grant["Statement"].as_str().unwrap()));
    let remove = with(version(1), &[("StatementId", text("s"))]);
    let stale = with(remove.clone(), &[("RevisionId", text("stale"))]);
    assert_eq!(bench.call("RemoveLayerVersionPermission", stale).await.status, 412);
    bench.done("RemoveLayerVersionPermission", remove).await;
    assert_eq!(get(&stranger).await, 403);
    assert_eq!(bench.call("GetLayerVersionPolicy", version(1)).await.status, 404);
    let organised = with(granted("o", other.as_str()), &[("OrganizationId", text("o-aaaaaaaaaa"))]);
    assert_eq!(bench.call("AddLayerVersionPermission", organised).await.status, 400);
    // The policy goes with the version.
    bench.done("AddLayerVersionPermission", granted("s", "*")).await;
    bench.done("DeleteLayerVersion", version(1)).await;
    assert_eq!(get(&stranger).await, 403);
}

#[tokio::test]
async fn who_may_not_read_a_layer_may_not_give_it_to_a_function() {
    let bench = bench();
    bench.done("PublishLayerVersion", layer("tools", "x = 1")).await;
    bench.done("CreateFunction", python("g")).await;
    let no_layers = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"lambda:GetLayerVersion","Resource":"*"}]}"#;
    let own_layers = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":["lambda:CreateFunction","lambda:UpdateFunctionConfiguration"],"Resource":"*","Condition":{"ForAnyValue:StringNotLike":{"lambda:Layer":"*:layer:blessed:*"}}}]}"#;
    for (name, policy) in [("reader", no_layers), ("choosy", own_layers)] {
        let user = bench.world.identities().user(name, &[policy]);
        let arn = format!("{ARN}:1");
        let create = with(python("f"), &[layers(&[&arn])]);
        let change = with(named("g"), &[layers(&[&arn])]);
        for (operation, input) in [("CreateFunction", create), ("UpdateFunctionConfiguration", change)] {
            assert_eq!(
                bench.world.call(&user, "lambda", operation, input).await.status,
                403,
                "{name} {operation}"
            );
        }
        let plain = bench.world.call(&user, "lambda", "CreateFunction", python(name)).await;
        assert_eq!(plain.status, 201, "{}", plain.text());
    }
}

async fn with_layers(bench: &Bench, code: &str, arns: &[&str]) {
    let definition = Bench::definition("f", &runtime("python3"), "app.handler", archive(&[("app.py", code)]));
    bench.done("CreateFunction", with(definition, &[layers(arns)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_are_below_opt_in_order_and_outlive_their_deletion() {
    let bench = sandboxed();
    let content = |files: &[(&str, &str)]| ("Content", Document::structure([("ZipFile", archive(files))]));
    let under =
        with(layer("under", ""), &[content(&[("python/tools.py", "who = 'under'"), ("data/only", "kept")])]);
    bench.done("PublishLayerVersion", under).await;
    bench.done("PublishLayerVersion", layer("tools", "who = 'over'")).await;
    let (lower, upper) = ("arn:aws:lambda:us-east-1:123456789012:layer:under:1", format!("{ARN}:1"));
    let code = "import tools\ndef handler(event, context):\n  try:\n    open('/opt/x', 'w')\n    writable = True\n  except OSError:\n    writable = False\n  return [tools.who, open('/opt/data/only').read(), writable]\n";
    with_layers(&bench, code, &[lower, &upper]).await;
    assert_eq!(bench.invoke("f", "{}").await.ok(), serde_json::json!(["over", "kept", false]));
    let shown = bench.done("GetFunctionConfiguration", named("f")).await;
    assert_eq!(
        (&shown["Layers"][0]["Arn"], &shown["Layers"][1]["Arn"]),
        (&lower.into(), &upper.clone().into())
    );
    bench.done("PublishVersion", named("f")).await;
    bench.done("DeleteLayerVersion", version(1)).await;
    bench.done("UpdateFunctionConfiguration", with(named("f"), &[layers(&[lower])])).await;
    assert_eq!(bench.invoke("f", "{}").await.ok(), serde_json::json!(["under", "kept", false]));
    assert_eq!(bench.invoke("f:1", "{}").await.ok(), serde_json::json!(["over", "kept", false]));
    let again = bench.call("UpdateFunctionConfiguration", with(named("f"), &[layers(&[&upper])])).await;
    assert_eq!(again.status, 400);
}
