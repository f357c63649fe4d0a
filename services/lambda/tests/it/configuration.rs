//! Functions, policies and tags through the API, without running anything.

use casemate_schema::Document;

use crate::support::{Bench, archive, bench, runtime, sandboxed, text};

pub(crate) fn python(name: &str) -> Document {
    Bench::definition(name, "python3.11", "app.handler", archive(&[("app.py", "x = 1")]))
}

pub(crate) fn named(name: &str) -> Document {
    Document::structure([("FunctionName", text(name))])
}

pub(crate) fn with(mut input: Document, more: &[(&str, Document)]) -> Document {
    for (key, value) in more {
        let _ = input.take(key);
        input.push(key, value.clone());
    }
    input
}

#[tokio::test]
async fn a_function_is_created_and_shown() {
    let bench = bench();
    let answer = bench.call("CreateFunction", python("f")).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    assert_eq!(made["FunctionArn"], "arn:aws:lambda:us-east-1:123456789012:function:f");
    assert_eq!((&made["State"], &made["LastUpdateStatus"]), (&"Active".into(), &"Successful".into()));
    assert_eq!(
        (&made["Timeout"], &made["MemorySize"], &made["Version"]),
        (&3.into(), &128.into(), &"$LATEST".into())
    );
    assert_eq!(made["CodeSha256"].as_str().unwrap().len(), 44);
    assert_eq!(made["LastModified"], "2026-11-24T00:00:00.000+0000");
    let shown = bench.done("GetFunction", named("f")).await;
    assert_eq!(shown["Configuration"], made);
    for form in ["f:$LATEST", "123456789012:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f"] {
        assert_eq!(bench.done("GetFunctionConfiguration", named(form)).await, made, "{form}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let bench = bench();
    for operation in ["GetFunction", "GetFunctionConfiguration", "DeleteFunction", "GetPolicy", "Invoke"] {
        let answer = bench.call(operation, named("nope")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_deref()),
            (404, Some("ResourceNotFoundException")),
            "{operation}"
        );
        assert_eq!(
            answer.message(),
            "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nope"
        );
    }
    bench.done("CreateFunction", python("f")).await;
    let answer = bench.call("GetFunction", named("f:prod")).await;
    assert_eq!(answer.message(), "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:prod");
    let elsewhere = named("arn:aws:lambda:eu-west-1:123456789012:function:f");
    assert_eq!(
        bench.call("GetFunction", elsewhere).await.message(),
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    );
}

#[tokio::test]
async fn a_second_function_of_the_same_name_is_refused() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let answer = bench.call("CreateFunction", python("f")).await;
    assert_eq!((answer.status.as_u16(), answer.message().as_str()), (409, "Function already exist: f"));
}

#[tokio::test]
async fn a_role_that_lambda_cannot_assume_is_refused() {
    let bench = bench();
    for role in ["other", "nobody"] {
        let answer =
            bench.call("CreateFunction", with(python("f"), &[("Role", Bench::role_arn(role))])).await;
        assert_eq!(answer.code().as_deref(), Some("InvalidParameterValueException"), "{role}");
        assert_eq!(answer.message(), "The role defined for the function cannot be assumed by Lambda.");
    }
    bench.done("CreateFunction", python("f")).await;
    let change = with(named("f"), &[("Role", Bench::role_arn("other"))]);
    assert_eq!(bench.call("UpdateFunctionConfiguration", change).await.status, 400);
}

#[tokio::test]
async fn bad_packages_are_refused() {
    let bench = bench();
    let code = |bytes: Document| Document::structure([("ZipFile", bytes)]);
    let garbage = code(Document::Blob(b"garbage".as_slice().into()));
    let climbing = code(archive(&[("../evil.py", "x")]));
    for (bad, message) in [
        (garbage, "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (climbing, "the package holds the name \"../evil.py\", which is not relative to it"),
        (Document::empty(), "Please provide a source for function code."),
        (
            Document::structure([("S3Bucket", text("bucket")), ("S3Key", text("key"))]),
            "code from S3 (give ZipFile) is not supported by this installation",
        ),
    ] {
        let answer = bench.call("CreateFunction", with(python("f"), &[("Code", bad)])).await;
        assert_eq!((answer.status.as_u16(), answer.message().as_str()), (400, message));
    }
    assert_eq!(bench.call("GetFunction", named("f")).await.status, 404);
}

#[tokio::test]
async fn a_runtime_that_this_host_lacks_is_refused() {
    let bench = sandboxed();
    let answer = bench.call("CreateFunction", with(python("f"), &[("Runtime", text("java21"))])).await;
    assert_eq!(answer.code().as_deref(), Some("InvalidParameterValueException"));
    assert!(answer.message().contains(&runtime("python3")), "{}", answer.message());
}

#[tokio::test]
async fn code_and_configuration_change_under_a_new_revision() {
    let bench = bench();
    let made = bench.done("CreateFunction", python("f")).await;
    let code = with(named("f"), &[("ZipFile", archive(&[("app.py", "x = 2")]))]);
    let coded = bench.done("UpdateFunctionCode", code.clone()).await;
    assert_ne!(coded["CodeSha256"], made["CodeSha256"]);
    assert_ne!(coded["RevisionId"], made["RevisionId"]);
    let stale = with(code, &[("RevisionId", text(made["RevisionId"].as_str().unwrap()))]);
    let answer = bench.call("UpdateFunctionCode", stale).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_deref()),
        (412, Some("PreconditionFailedException"))
    );
    let variables = Document::structure([("Variables", Document::structure([("TABLE", text("notes"))]))]);
    let change = with(named("f"), &[("Timeout", Document::Integer(9)), ("Environment", variables)]);
    let changed = bench.done("UpdateFunctionConfiguration", change).await;
    assert_eq!(
        (&changed["Timeout"], &changed["Environment"]["Variables"]["TABLE"]),
        (&9.into(), &"notes".into())
    );
    assert_eq!(changed["Handler"], "app.handler");
    assert_eq!(bench.done("GetFunctionConfiguration", named("f")).await, changed);
}

#[tokio::test]
async fn limits_of_a_configuration_hold() {
    let bench = bench();
    let many = |value: &str| Document::structure([("Variables", Document::structure([("AB", text(value))]))]);
    for (key, value) in [
        ("Timeout", Document::Integer(901)),
        ("Timeout", Document::Integer(0)),
        ("MemorySize", Document::Integer(127)),
        ("MemorySize", Document::Integer(10_241)),
        ("Environment", many(&"x".repeat(4_096))),
        (
            "Environment",
            Document::structure([("Variables", Document::structure([("AWS_REGION", text("x"))]))]),
        ),
        ("EphemeralStorage", Document::structure([("Size", Document::Integer(511))])),
        ("FunctionName", text(&"x".repeat(65))),
    ] {
        let answer = bench.call("CreateFunction", with(python("f"), &[(key, value.clone())])).await;
        assert_eq!(answer.status, 400, "{key} {value:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn deleting_removes_the_function_and_its_policy() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    bench.done("AddPermission", permission("s", "s3.amazonaws.com")).await;
    assert_eq!(bench.call("DeleteFunction", named("f")).await.status, 204);
    bench.done("CreateFunction", python("f")).await;
    assert_eq!(
        bench.call("GetPolicy", named("f")).await.message(),
        "The resource you requested does not exist."
    );
}

#[tokio::test]
async fn two_functions_may_have_the_same_package_and_part_from_it_one_by_one() {
    let bench = sandboxed();
    let package = archive(&[("app.py", "def handler(event, context):\n  return 'here'\n")]);
    for name in ["f", "g"] {
        bench
            .done(
                "CreateFunction",
                Bench::definition(name, &runtime("python3"), "app.handler", package.clone()),
            )
            .await;
    }
    assert_eq!(bench.invoke("f", "{}").await.ok(), "here");
    bench.call("DeleteFunction", named("f")).await;
    assert_eq!(bench.invoke("g", "{}").await.ok(), "here");
    bench.call("DeleteFunction", named("g")).await;
    bench.done("CreateFunction", Bench::definition("h", &runtime("python3"), "app.handler", package)).await;
    assert_eq!(bench.invoke("h", "{}").await.ok(), "here");
}

#[tokio::test]
async fn functions_are_listed_page_by_page() {
    let bench = bench();
    for name in ["c", "a", "b"] {
        bench.done("CreateFunction", python(name)).await;
    }
    let names = |page: &serde_json::Value| -> Vec<String> {
        page["Functions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["FunctionName"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = bench.done("ListFunctions", Document::structure([("MaxItems", Document::Integer(2))])).await;
    assert_eq!(names(&first), ["a", "b"]);
    let marker = first["NextMarker"].as_str().unwrap();
    let second = bench.done("ListFunctions", Document::structure([("Marker", text(marker))])).await;
    assert_eq!(names(&second), ["c"]);
    assert!(second.get("NextMarker").is_none_or(serde_json::Value::is_null));
    assert_eq!(bench.call("ListFunctions", Document::structure([("Marker", text("?"))])).await.status, 400);
    let settings = bench.done("GetAccountSettings", Document::empty()).await;
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 3);
    assert_eq!(settings["AccountLimit"]["ConcurrentExecutions"], 1000);
}

pub(crate) fn permission(id: &str, principal: &str) -> Document {
    Document::structure([
        ("FunctionName", text("f")),
        ("StatementId", text(id)),
        ("Action", text("lambda:InvokeFunction")),
        ("Principal", text(principal)),
    ])
}

#[tokio::test]
async fn a_permission_for_a_service_whoever_it_works_for_is_told_in_the_trail() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let told = || {
        let records = bench.records();
        let of_permissions = |record: &&casemate_kernel::audit::Record| {
            record.operation.as_deref() == Some("lambda.permission-for-any-account")
        };
        records.iter().filter(of_permissions).count()
    };
    let bucket = ("SourceArn", text("arn:aws:s3:::bucket"));
    let account = ("SourceAccount", text("123456789012"));
    let api = ("SourceArn", text("arn:aws:execute-api:us-east-1:123456789012:api/*"));
    let cases = [
        ("s3.amazonaws.com", vec![bucket.clone()], 1),
        ("sns.amazonaws.com", vec![], 1),
        ("s3.amazonaws.com", vec![bucket, account], 0),
        ("apigateway.amazonaws.com", vec![api], 0),
        ("123456789012", vec![], 0),
    ];
    for (number, (principal, limits, more)) in cases.into_iter().enumerate() {
        let before = told();
        bench.done("AddPermission", with(permission(&format!("s{number}"), principal), &limits)).await;
        assert_eq!(told() - before, more, "{principal} {limits:?}");
    }
}

#[tokio::test]
async fn permissions_make_a_policy_and_go_again() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let source = [("SourceArn", text("arn:aws:execute-api:us-east-1:123456789012:api/*"))];
    let added =
        bench.done("AddPermission", with(permission("api", "apigateway.amazonaws.com"), &source)).await;
    let policy = bench.done("GetPolicy", named("f")).await;
    let document: serde_json::Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    let statement: serde_json::Value = serde_json::from_str(added["Statement"].as_str().unwrap()).unwrap();
    assert_eq!(
        document,
        serde_json::json!({ "Version": "2012-10-17", "Id": "default", "Statement": [statement] })
    );
    let again = bench.call("AddPermission", permission("api", "s3.amazonaws.com")).await;
    assert_eq!((again.status.as_u16(), again.code().as_deref()), (409, Some("ResourceConflictException")));
    let stale = with(permission("b", "s3.amazonaws.com"), &[("RevisionId", text("old"))]);
    assert_eq!(bench.call("AddPermission", stale).await.status, 412);
    let latest = with(permission("b", "s3.amazonaws.com"), &[("Qualifier", text("$LATEST"))]);
    assert_eq!(bench.call("AddPermission", latest).await.status, 400);
    let remove = with(named("f"), &[("StatementId", text("api"))]);
    assert_eq!(bench.call("RemovePermission", remove.clone()).await.status, 204);
    assert_eq!(bench.call("RemovePermission", remove).await.status, 404);
    assert_eq!(bench.call("GetPolicy", named("f")).await.status, 404);
}

#[tokio::test]
async fn tags_come_and_go() {
    let bench = bench();
    bench
        .done("CreateFunction", with(python("f"), &[("Tags", Document::structure([("a", text("1"))]))]))
        .await;
    let resource = |more: &[(&str, Document)]| {
        with(
            Document::structure([("Resource", text("arn:aws:lambda:us-east-1:123456789012:function:f"))]),
            more,
        )
    };
    bench.done("TagResource", resource(&[("Tags", Document::structure([("b", text("2"))]))])).await;
    let listed = bench.done("ListTags", resource(&[])).await;
    assert_eq!(listed["Tags"], serde_json::json!({ "a": "1", "b": "2" }));
    bench.done("UntagResource", resource(&[("TagKeys", Document::List(vec![text("a")]))])).await;
    assert_eq!(bench.done("GetFunction", named("f")).await["Tags"], serde_json::json!({ "b": "2" }));
    let too_many: Vec<(String, Document)> = (0..51).map(|index| (format!("t{index}"), text("x"))).collect();
    assert_eq!(bench.call("TagResource", resource(&[("Tags", Document::Map(too_many))])).await.status, 400);
}

#[tokio::test]
async fn without_a_sandbox_nothing_runs_and_the_error_says_why() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let answer = bench.call("Invoke", named("f")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_deref()), (500, Some("ServiceException")));
    assert_eq!(
        answer.message(),
        "functions cannot be run on this host, there is no sandbox: none in this test"
    );
    let dry = with(named("f"), &[("InvocationType", text("DryRun"))]);
    assert_eq!(bench.call("Invoke", dry).await.status, 204);
}

#[tokio::test]
async fn variables_are_in_no_record_and_no_error() {
    let bench = bench();
    let variables =
        Document::structure([("Variables", Document::structure([("TOKEN", text("marker-4711"))]))]);
    bench.done("CreateFunction", with(python("f"), &[("Environment", variables.clone())])).await;
    let reserved =
        Document::structure([("Variables", Document::structure([("_HANDLER", text("marker-4711"))]))]);
    let refused = bench.call("CreateFunction", with(python("g"), &[("Environment", reserved)])).await;
    assert!(!refused.text().contains("marker-4711"));
    assert!(!format!("{:?}", bench.records()).contains("marker-4711"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_of_zero_stops_a_function() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  return 1\n").await;
    let reserve = |n| with(named("f"), &[("ReservedConcurrentExecutions", Document::Integer(n))]);
    assert_eq!(bench.call("PutFunctionConcurrency", reserve(901)).await.status, 400);
    bench.done("PutFunctionConcurrency", reserve(0)).await;
    let answer = bench.call("Invoke", named("f")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_deref()), (429, Some("TooManyRequestsException")));
    assert_eq!(answer.json()["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
    let shown = bench.done("GetFunctionConcurrency", named("f")).await;
    assert_eq!(shown["ReservedConcurrentExecutions"], 0);
    assert_eq!(bench.call("DeleteFunctionConcurrency", named("f")).await.status, 204);
    assert_eq!(bench.invoke("f", "{}").await.ok(), 1);
    let versions = bench.done("ListVersionsByFunction", named("f")).await;
    assert_eq!(versions["Versions"][0]["Version"], "$LATEST");
}

/// `PutRuntimeManagementConfig` and `GetRuntimeManagementConfig`.
#[tokio::test]
async fn when_a_runtime_may_change_is_kept_and_no_version_of_it_is_promised() {
    let bench = bench();
    bench.done("CreateFunction", with(python("f"), &[("Publish", Document::Bool(true))])).await;
    let latest = "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST";
    let shown = bench.done("GetRuntimeManagementConfig", named("f")).await;
    assert_eq!((&shown["UpdateRuntimeOn"], &shown["FunctionArn"]), (&"Auto".into(), &latest.into()));
    let put = |mode: &str, more: &[(&str, Document)]| {
        with(with(named("f"), &[("UpdateRuntimeOn", text(mode))]), more)
    };
    let one = ("Qualifier", text("1"));
    let kept =
        bench.done("PutRuntimeManagementConfig", put("FunctionUpdate", std::slice::from_ref(&one))).await;
    assert_eq!(kept["FunctionArn"], "arn:aws:lambda:us-east-1:123456789012:function:f:1");
    let of = async |input| bench.done("GetRuntimeManagementConfig", input).await["UpdateRuntimeOn"].clone();
    assert_eq!(of(with(named("f"), std::slice::from_ref(&one))).await, "FunctionUpdate");
    assert_eq!(of(named("f")).await, "Auto");
    let arn = ("RuntimeVersionArn", text("arn:aws:lambda:us-east-1::runtime:0123456789abcdef"));
    for (input, status) in [
        (put("Manual", &[]), 400),
        (put("Manual", std::slice::from_ref(&arn)), 400),
        (put("Auto", &[arn]), 400),
        (put("Auto", &[("Qualifier", text("live"))]), 400),
        (put("Auto", &[("Qualifier", text("2"))]), 404),
        (put("Sometimes", &[]), 400),
        (with(named("g"), &[("UpdateRuntimeOn", text("Auto"))]), 404),
    ] {
        let answer = bench.call("PutRuntimeManagementConfig", input).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    // A later function of the same name inherits nothing.
    let latest = ("Qualifier", text("$LATEST"));
    bench.done("PutRuntimeManagementConfig", put("FunctionUpdate", &[latest])).await;
    assert_eq!(of(named("f")).await, "FunctionUpdate");
    bench.done("DeleteFunction", named("f")).await;
    bench.done("CreateFunction", python("f")).await;
    assert_eq!(of(named("f")).await, "Auto");
}
