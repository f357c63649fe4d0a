//! Function URLs as objects: `CreateFunctionUrlConfig`, `GetFunctionUrlConfig`, `UpdateFunctionUrlConfig`,
//! `DeleteFunctionUrlConfig`, `ListFunctionUrlConfigs`.

use casemate_schema::Document;

use crate::{
    configuration::{named, python, with},
    support::{bench, text},
};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

fn created(name: &str, auth: &str) -> Document {
    with(named(name), &[("AuthType", text(auth))])
}

#[tokio::test]
async fn an_url_is_made_shown_changed_and_removed() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let cors = Document::structure([("AllowOrigins", Document::List(vec![text("https://a.example")]))]);
    let answer =
        bench.call("CreateFunctionUrlConfig", with(created("f", "AWS_IAM"), &[("Cors", cors)])).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    assert_eq!((&made["FunctionArn"], &made["AuthType"]), (&ARN.into(), &"AWS_IAM".into()));
    assert_eq!(
        (&made["InvokeMode"], &made["Cors"]["AllowOrigins"][0]),
        (&"BUFFERED".into(), &"https://a.example".into())
    );
    let host = made["FunctionUrl"].as_str().unwrap().split_once("://").unwrap().1;
    assert_eq!(host.split('.').next().unwrap().len(), 32);
    let again = bench.call("CreateFunctionUrlConfig", created("f", "NONE")).await;
    assert_eq!((again.status.as_u16(), again.code().as_deref()), (409, Some("ResourceConflictException")));
    let change = with(named("f"), &[("AuthType", text("NONE")), ("InvokeMode", text("RESPONSE_STREAM"))]);
    let changed = bench.done("UpdateFunctionUrlConfig", change).await;
    assert_eq!((&changed["AuthType"], &changed["InvokeMode"]), (&"NONE".into(), &"RESPONSE_STREAM".into()));
    assert_eq!(changed["Cors"], made["Cors"]);
    assert_eq!(bench.done("GetFunctionUrlConfig", named("f")).await, changed);
    bench.done("DeleteFunctionUrlConfig", named("f")).await;
    for operation in ["GetFunctionUrlConfig", "DeleteFunctionUrlConfig"] {
        assert_eq!(
            bench.call(operation, named("f")).await.message(),
            "The resource you requested does not exist."
        );
    }
}

#[tokio::test]
async fn aliases_have_urls_and_versions_do_not() {
    let bench = bench();
    bench.done("CreateFunction", with(python("f"), &[("Publish", Document::Bool(true))])).await;
    let alias = with(named("f"), &[("Name", text("prod")), ("FunctionVersion", text("1"))]);
    bench.done("CreateAlias", alias).await;
    let url = bench.done("CreateFunctionUrlConfig", created("f:prod", "NONE")).await;
    assert_eq!(url["FunctionArn"], format!("{ARN}:prod"));
    bench.done("CreateFunctionUrlConfig", created("f", "NONE")).await;
    for qualifier in ["1", "$LATEST"] {
        let input = with(created("f", "NONE"), &[("Qualifier", text(qualifier))]);
        assert_eq!(bench.call("CreateFunctionUrlConfig", input).await.status, 400, "{qualifier}");
    }
    assert_eq!(
        bench.call("CreateFunctionUrlConfig", created("f:nope", "NONE")).await.message(),
        "Function does not exist"
    );
    let listed = bench.done("ListFunctionUrlConfigs", named("f")).await;
    assert_eq!(listed["FunctionUrlConfigs"].as_array().unwrap().len(), 2);
    bench.done("DeleteFunction", named("f")).await;
    bench.done("CreateFunction", python("f")).await;
    let listed = bench.done("ListFunctionUrlConfigs", named("f")).await;
    assert_eq!(listed["FunctionUrlConfigs"].as_array().unwrap().len(), 0, "a new function inherits none");
}

#[tokio::test]
async fn a_policy_may_forbid_open_urls() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let signed = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:*FunctionUrlConfig","Resource":"*","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"AWS_IAM"}}}}"#;
    let user = bench.world.identities().user("careful", &[signed]);
    let call =
        async |operation, input| bench.world.call(&user, "lambda", operation, input).await.status.as_u16();
    assert_eq!(call("CreateFunctionUrlConfig", created("f", "NONE")).await, 403);
    assert_eq!(call("CreateFunctionUrlConfig", created("f", "AWS_IAM")).await, 201);
    assert_eq!(call("UpdateFunctionUrlConfig", created("f", "NONE")).await, 403);
    bench.done("UpdateFunctionUrlConfig", created("f", "NONE")).await;
    assert_eq!(call("DeleteFunctionUrlConfig", named("f")).await, 403);
}

#[tokio::test]
async fn the_functions_tags_decide_over_its_url() {
    let bench = bench();
    let tags = |team: &str| ("Tags", Document::Map(vec![("team".to_owned(), text(team))]));
    bench.done("CreateFunction", with(python("f"), &[tags("a")])).await;
    bench.done("CreateFunction", with(python("g"), &[tags("b")])).await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:*FunctionUrlConfig","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    let ann = bench.world.identities().user("ann", &[policy]);
    let status =
        async |operation, input| bench.world.call(&ann, "lambda", operation, input).await.status.as_u16();
    assert_eq!(status("CreateFunctionUrlConfig", created("f", "AWS_IAM")).await, 201);
    assert_eq!(status("CreateFunctionUrlConfig", created("g", "AWS_IAM")).await, 403);
    bench.done("CreateFunctionUrlConfig", created("g", "AWS_IAM")).await;
    for operation in ["GetFunctionUrlConfig", "UpdateFunctionUrlConfig", "DeleteFunctionUrlConfig"] {
        assert_eq!(status(operation, named("g")).await, 403, "{operation}");
    }
    assert_eq!(status("GetFunctionUrlConfig", named("f")).await, 200);
    let keys = ("TagKeys", Document::List(vec![text("team")]));
    bench.done("UntagResource", with(Document::structure([("Resource", text(ARN))]), &[keys])).await;
    assert_eq!(status("GetFunctionUrlConfig", named("f")).await, 403);
}
