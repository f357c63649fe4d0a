//! Who may do what: refusals of every operation, resource policies, PassRole.

use casemate_kernel::{As, FaultKind};
use casemate_names::Arn;
use casemate_schema::{Document, OpMeta};
use casemate_testkit::{no_hints, refusals};

use crate::{
    configuration::permission,
    support::{ALL, Bench, archive, bench, text},
};

fn hints(op: &OpMeta, member: &str) -> Option<Document> {
    match (op.name, member) {
        (_, "FunctionName") => Some(text("f")),
        (_, "FunctionVersion") => Some(text("$LATEST")),
        (_, "Name") => Some(text("prod")),
        (_, "LayerName") => Some(text("tools")),
        (_, "Content") => Some(Document::structure([("ZipFile", archive(&[("python/x.py", "")]))])),
        ("GetLayerVersionByArn", "Arn") => Some(text("arn:aws:lambda:us-east-1:123456789012:layer:tools:1")),
        ("AddLayerVersionPermission", "Action") => Some(text("lambda:GetLayerVersion")),
        ("AddLayerVersionPermission", "Principal") => Some(text("*")),
        (_, "MaximumRetryAttempts") => Some(Document::Integer(1)),
        (_, "RecursiveLoop") => Some(text("Allow")),
        (_, "AuthType") => Some(text("AWS_IAM")),
        (_, "UUID") => Some(text("00000000-0000-4000-8000-000000000000")),
        (_, "CodeSigningConfigArn") => {
            Some(text("arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdefg"))
        }
        (_, "AllowedPublishers") => Some(Document::structure([(
            "SigningProfileVersionArns",
            Document::List(vec![text(
                "arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/0123456789",
            )]),
        )])),
        (_, "UpdateRuntimeOn") => Some(text("Auto")),
        (_, "EventSourceArn") => Some(text("arn:aws:sqs:us-east-1:123456789012:q")),
        (_, "Role") => Some(Bench::role_arn("writer")),
        (_, "Resource") => Some(text("arn:aws:lambda:us-east-1:123456789012:function:f")),
        ("CreateFunction", "Runtime") => Some(text("python3.11")),
        ("CreateFunction", "Handler") => Some(text("app.handler")),
        ("CreateFunction", "Code") => {
            Some(Document::structure([("ZipFile", archive(&[("app.py", "x = 1")]))]))
        }
        ("AddPermission", "Action") => Some(text("lambda:InvokeFunction")),
        ("AddPermission", "Principal") => Some(text("s3.amazonaws.com")),
        _ => no_hints(op, member),
    }
}

fn python(name: &str) -> Document {
    Bench::definition(name, "python3.11", "app.handler", archive(&[("app.py", "x = 1")]))
}

fn invoke(name: &str) -> Document {
    Document::structure([("FunctionName", text(name)), ("InvocationType", text("DryRun"))])
}

#[tokio::test]
async fn every_operation_is_refused_in_every_way() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    assert_eq!(refusals(&bench.world, &hints).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_is_passed_only_by_who_may_pass_it() {
    let bench = bench();
    let create =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*"}}"#;
    let pass = |service: &str, role: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/{role}","Condition":{{"StringEquals":{{"iam:PassedToService":"{service}"}}}}}}}}"#
        )
    };
    for (name, policies, status) in [
        ("none", vec![create.to_owned()], 403),
        ("wrong-service", vec![create.to_owned(), pass("ec2.amazonaws.com", "writer")], 403),
        ("wrong-role", vec![create.to_owned(), pass("lambda.amazonaws.com", "mute")], 403),
        ("right", vec![create.to_owned(), pass("lambda.amazonaws.com", "writer")], 201),
    ] {
        let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
        let user = bench.world.identities().user(name, &policies);
        let answer = bench.world.call(&user, "lambda", "CreateFunction", python("f")).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.text());
    }
    let update = Document::structure([("FunctionName", text("f")), ("Role", Bench::role_arn("mute"))]);
    let user = bench.world.identities().user("updater", &[create]);
    assert_eq!(bench.world.call(&user, "lambda", "UpdateFunctionConfiguration", update).await.status, 403);
}

#[tokio::test]
async fn another_account_invokes_by_the_functions_policy_and_its_own_rights() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let other = bench.world.other_account();
    let able = bench.world.identities().user_of(&other, "able", &[ALL], None);
    let unable = bench.world.identities().user_of(&other, "unable", &[], None);
    let whole = "arn:aws:lambda:us-east-1:123456789012:function:f";
    assert_eq!(bench.world.call(&able, "lambda", "Invoke", invoke(whole)).await.status, 403);
    bench.done("AddPermission", permission("s", other.as_str())).await;
    assert_eq!(bench.world.call(&able, "lambda", "Invoke", invoke(whole)).await.status, 204);
    assert_eq!(bench.world.call(&unable, "lambda", "Invoke", invoke(whole)).await.status, 403);
    // What is allowed is this one action.
    let look = Document::structure([("FunctionName", text(whole))]);
    assert_eq!(bench.world.call(&able, "lambda", "GetFunction", look).await.status, 403);
    let remove = Document::structure([("FunctionName", text("f")), ("StatementId", text("s"))]);
    assert_eq!(bench.call("RemovePermission", remove).await.status, 204);
    assert_eq!(bench.world.call(&able, "lambda", "Invoke", invoke(whole)).await.status, 403);
}

#[tokio::test]
async fn a_user_of_the_account_is_allowed_by_the_functions_policy_alone() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let user = bench.world.identities().user("bob", &[]);
    assert_eq!(bench.world.call(&user, "lambda", "Invoke", invoke("f")).await.status, 403);
    bench.done("AddPermission", permission("s", "arn:aws:iam::123456789012:user/bob")).await;
    assert_eq!(bench.world.call(&user, "lambda", "Invoke", invoke("f")).await.status, 204);
    assert_eq!(bench.world.call(&user, "lambda", "Invoke", invoke("f:$LATEST")).await.status, 204);
    assert_eq!(bench.world.call(&user, "lambda", "Invoke", invoke("f:1")).await.status, 403);
}

#[tokio::test]
async fn another_service_invokes_by_the_functions_policy_alone_and_for_the_source_named_there() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let source = |text: &str| Arn::parse(text).unwrap();
    let own = source("arn:aws:logs:us-east-1:123456789012:log-group:mine");
    let foreign = source("arn:aws:logs:us-east-1:210987654321:log-group:mine");
    let invoked = async |source: &Arn| {
        bench
            .other_service
            .invoke("lambda", "Invoke", As::Service { source: source.clone() }, invoke("f"))
            .await
    };
    assert!(matches!(invoked(&own).await.unwrap_err().kind(), FaultKind::Denied(_)));
    let mut grant = permission("s", "logs.amazonaws.com");
    grant.push("SourceArn", text("arn:aws:logs:us-east-1:123456789012:log-group:m*"));
    grant.push("SourceAccount", text("123456789012"));
    bench.done("AddPermission", grant).await;
    invoked(&own).await.unwrap();
    for wrong in [foreign, source("arn:aws:logs:us-east-1:123456789012:log-group:other")] {
        assert!(matches!(invoked(&wrong).await.unwrap_err().kind(), FaultKind::Denied(_)));
    }
}

#[tokio::test]
async fn tags_of_a_function_decide() {
    let bench = bench();
    let mut input = python("f");
    input.push("Tags", Document::structure([("team", text("a"))]));
    bench.done("CreateFunction", input).await;
    let policy = |team: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*","Condition":{{"StringEquals":{{"aws:ResourceTag/team":"{team}"}}}}}}}}"#
        )
    };
    let (own, foreign) = (policy("a"), policy("b"));
    let own = bench.world.identities().user("own", &[&own]);
    let foreign = bench.world.identities().user("foreign", &[&foreign]);
    assert_eq!(bench.world.call(&own, "lambda", "Invoke", invoke("f")).await.status, 204);
    assert_eq!(bench.world.call(&foreign, "lambda", "Invoke", invoke("f")).await.status, 403);
}

#[tokio::test]
async fn a_policy_for_everyone_is_for_everyone_who_signs() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    bench.done("AddPermission", permission("s", "*")).await;
    let whole = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let user = bench.world.identities().user("nobody", &[]);
    assert_eq!(bench.world.call(&user, "lambda", "Invoke", invoke("f")).await.status, 204);
    let unsigned = bench.world.call_unsigned("lambda", "Invoke", invoke(whole)).await;
    assert_eq!(unsigned.status, 403, "{}", unsigned.text());
}
