//! Published versions and aliases: `PublishVersion`, `ListVersionsByFunction`, `CreateAlias`, `UpdateAlias`, `GetAlias`,
//! `ListAliases`, `DeleteAlias`.

use casemate_schema::Document;

use crate::{
    configuration::{named, permission, python, with},
    support::{Bench, archive, bench, sandboxed, text},
};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

fn described(name: &str, description: &str) -> Document {
    with(named(name), &[("Description", text(description))])
}

fn alias(name: &str, version: &str) -> Document {
    with(named("f"), &[("Name", text(name)), ("FunctionVersion", text(version))])
}

fn weights(entries: &[(&str, f64)]) -> Document {
    let weights = entries.iter().map(|(version, weight)| ((*version).to_owned(), Document::Double(*weight)));
    Document::structure([("AdditionalVersionWeights", Document::Map(weights.collect()))])
}

async fn refused(bench: &Bench, operation: &str, input: Document) -> (u16, String, String) {
    let answer = bench.call(operation, input).await;
    (answer.status.as_u16(), answer.code().unwrap_or_default(), answer.message())
}

/// A function with two versions.
async fn two(bench: &Bench) {
    bench.done("CreateFunction", python("f")).await;
    for text in ["one", "two"] {
        bench.done("UpdateFunctionConfiguration", described("f", text)).await;
        bench.done("PublishVersion", named("f")).await;
    }
}

#[tokio::test]
async fn a_version_stays_as_it_was() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let answer = bench.call("PublishVersion", described("f", "first")).await;
    assert_eq!(answer.status, 201);
    let one = answer.json();
    assert_eq!((&one["Version"], &one["Description"]), (&"1".into(), &"first".into()));
    assert_eq!(one["FunctionArn"], format!("{ARN}:1"));
    let latest = bench.done("GetFunctionConfiguration", named("f")).await;
    assert_ne!(one["RevisionId"], latest["RevisionId"]);
    assert_eq!((&latest["Version"], &latest["Description"]), (&"$LATEST".into(), &"".into()));

    let code =
        with(named("f"), &[("ZipFile", archive(&[("app.py", "x = 2")])), ("Publish", Document::Bool(true))]);
    let two = bench.done("UpdateFunctionCode", code).await;
    assert_eq!((&two["Version"], &two["FunctionArn"]), (&"2".into(), &format!("{ARN}:2").into()));
    bench.done("UpdateFunctionConfiguration", with(named("f"), &[("Timeout", Document::Integer(9))])).await;
    let shown = bench.done("GetFunctionConfiguration", named("f:1")).await;
    assert_eq!(shown, one);
    for form in [named(&format!("{ARN}:1")), with(named("f"), &[("Qualifier", text("1"))])] {
        assert_eq!(bench.done("GetFunction", form).await["Configuration"], one);
    }
    assert_ne!(one["CodeSha256"], two["CodeSha256"]);
}

#[tokio::test]
async fn nothing_changed_is_no_new_version() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let one = bench.done("PublishVersion", named("f")).await;
    assert_eq!(bench.done("PublishVersion", described("f", "again")).await, one);
    bench.done("UpdateFunctionConfiguration", described("f", "changed")).await;
    assert_eq!(bench.done("PublishVersion", named("f")).await["Version"], "2");
}

#[tokio::test]
async fn numbers_are_never_given_twice() {
    let bench = bench();
    two(&bench).await;
    bench.done("DeleteFunction", named("f:2")).await;
    assert_eq!(bench.done("PublishVersion", named("f")).await["Version"], "3");
    bench.done("DeleteFunction", named("f")).await;
    let made = bench.done("CreateFunction", with(python("f"), &[("Publish", Document::Bool(true))])).await;
    assert_eq!((&made["Version"], &made["FunctionArn"]), (&"4".into(), &ARN.into()));
    let (status, _, message) = refused(&bench, "GetFunction", named("f:3")).await;
    assert_eq!((status, message), (404, format!("Function not found: {ARN}:3")));
}

#[tokio::test]
async fn preconditions_must_hold() {
    let bench = bench();
    let made = bench.done("CreateFunction", python("f")).await;
    let (status, code, _) =
        refused(&bench, "PublishVersion", with(named("f"), &[("RevisionId", text("stale"))])).await;
    assert_eq!((status, code.as_str()), (412, "PreconditionFailedException"));
    let (status, code, _) =
        refused(&bench, "PublishVersion", with(named("f"), &[("CodeSha256", text("AAAA"))])).await;
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
    let right = with(
        named("f"),
        &[
            ("RevisionId", text(made["RevisionId"].as_str().unwrap())),
            ("CodeSha256", text(made["CodeSha256"].as_str().unwrap())),
        ],
    );
    assert_eq!(bench.done("PublishVersion", right).await["Version"], "1");
}

#[tokio::test]
async fn versions_and_aliases_are_listed_by_pages() {
    let bench = bench();
    two(&bench).await;
    for (name, version) in [("a", "1"), ("b", "2"), ("c", "1")] {
        bench.done("CreateAlias", alias(name, version)).await;
    }
    let pages = async |operation: &str, list: &str, member: &str, more: &[(&str, Document)]| {
        let (mut all, mut marker) = (Vec::new(), None::<String>);
        loop {
            let mut input = with(named("f"), &[("MaxItems", Document::Integer(1))]);
            input = with(input, more);
            if let Some(marker) = &marker {
                input.push("Marker", text(marker));
            }
            let page = bench.done(operation, input).await;
            let items = page[list].as_array().unwrap();
            assert!(items.len() <= 1);
            all.extend(items.iter().map(|item| item[member].as_str().unwrap().to_owned()));
            match page["NextMarker"].as_str() {
                Some(next) => marker = Some(next.to_owned()),
                None => return all,
            }
        }
    };
    assert_eq!(pages("ListVersionsByFunction", "Versions", "Version", &[]).await, ["$LATEST", "1", "2"]);
    assert_eq!(pages("ListAliases", "Aliases", "Name", &[]).await, ["a", "b", "c"]);
    let one = [("FunctionVersion", text("1"))];
    assert_eq!(pages("ListAliases", "Aliases", "Name", &one).await, ["a", "c"]);
    bench.done("CreateFunction", python("g")).await;
    let all = [("FunctionVersion", text("ALL"))];
    assert_eq!(
        pages("ListFunctions", "Functions", "FunctionArn", &all).await,
        [
            format!("{ARN}:$LATEST"),
            format!("{ARN}:1"),
            format!("{ARN}:2"),
            "arn:aws:lambda:us-east-1:123456789012:function:g:$LATEST".to_owned()
        ]
    );
    let foreign = with(named("f"), &[("Marker", text("AAAA"))]);
    assert_eq!(refused(&bench, "ListAliases", foreign).await.0, 400);
}

#[tokio::test]
async fn an_alias_leads_to_its_version_until_it_is_changed() {
    let bench = bench();
    two(&bench).await;
    let answer = bench.call("CreateAlias", alias("prod", "1")).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    assert_eq!(made["AliasArn"], format!("{ARN}:prod"));
    let shown = bench.done("GetFunctionConfiguration", named("f:prod")).await;
    assert_eq!((&shown["Version"], &shown["FunctionArn"]), (&"1".into(), &format!("{ARN}:prod").into()));
    let changed = bench.done("UpdateAlias", with(alias("prod", "2"), &[("Description", text("d"))])).await;
    assert_ne!(changed["RevisionId"], made["RevisionId"]);
    assert_eq!(bench.done("GetAlias", with(named("f"), &[("Name", text("prod"))])).await, changed);
    assert_eq!(bench.done("GetFunctionConfiguration", named("f:prod")).await["Description"], "two");
    let stale = with(alias("prod", "1"), &[("RevisionId", made["RevisionId"].as_str().map(text).unwrap())]);
    assert_eq!(refused(&bench, "UpdateAlias", stale).await.0, 412);
    bench.done("DeleteAlias", with(named("f"), &[("Name", text("prod"))])).await;
    let (status, _, message) = refused(&bench, "GetAlias", with(named("f"), &[("Name", text("prod"))])).await;
    assert_eq!((status, message), (404, format!("Cannot find alias arn: {ARN}:prod")));
    assert_eq!(refused(&bench, "Invoke", named("f:prod")).await.0, 404);
}

#[tokio::test]
async fn aliases_that_lead_nowhere_are_refused() {
    let bench = bench();
    two(&bench).await;
    bench.done("CreateAlias", alias("prod", "1")).await;
    let routed = |version: &str, entries: &[(&str, f64)]| {
        with(alias("x", version), &[("RoutingConfig", weights(entries))])
    };
    for (input, expected) in [
        (alias("prod", "2"), (409, "Alias already exists")),
        (alias("x", "7"), (404, "Function not found")),
        (alias("7", "1"), (400, "validation error")),
        (alias("$LATEST", "1"), (400, "validation error")),
        (routed("1", &[("2", 0.5), ("3", 0.1)]), (400, "cannot be greater than 1")),
        (routed("1", &[("1", 0.5)]), (400, "already included")),
        (routed("$LATEST", &[("1", 0.5)]), (400, "$LATEST is not supported")),
        (routed("1", &[("2", 1.5)]), (400, "validation error")),
        (routed("1", &[("2", -0.5)]), (400, "validation error")),
        (routed("1", &[("9", 0.5)]), (404, "Function not found")),
    ] {
        let (status, _, message) = refused(&bench, "CreateAlias", input).await;
        assert_eq!(status, expected.0, "{message}");
        assert!(message.contains(expected.1), "{message}");
    }
    bench.done("CreateAlias", routed("1", &[("2", 0.5)])).await;
    // Its two versions cannot become one, and what it leads to cannot go.
    assert_eq!(refused(&bench, "UpdateAlias", alias("x", "2")).await.0, 400);
    for version in ["f:1", "f:2"] {
        let (status, code, _) = refused(&bench, "DeleteFunction", named(version)).await;
        assert_eq!((status, code.as_str()), (409, "ResourceConflictException"));
    }
}

#[tokio::test]
async fn what_is_for_the_function_as_such_takes_no_qualifier() {
    let bench = bench();
    two(&bench).await;
    bench.done("CreateAlias", alias("prod", "1")).await;
    for name in ["f:1", "f:prod"] {
        for (operation, input) in [
            ("PublishVersion", named(name)),
            ("UpdateFunctionConfiguration", described(name, "x")),
            ("UpdateFunctionCode", with(named(name), &[("ZipFile", archive(&[("app.py", "")]))])),
            (
                "PutFunctionConcurrency",
                with(named(name), &[("ReservedConcurrentExecutions", Document::Integer(1))]),
            ),
        ] {
            let (status, code, _) = refused(&bench, operation, input).await;
            assert!(status == 400 || status == 404, "{operation} {name}: {status} {code}");
        }
    }
    assert_eq!(bench.done("GetFunctionConfiguration", named("f:1")).await["Description"], "one");
    assert_eq!(refused(&bench, "DeleteFunction", named("f:$LATEST")).await.0, 400);
    assert_eq!(refused(&bench, "DeleteFunction", named("f:prod")).await.0, 400);
}

#[tokio::test]
async fn a_grant_on_one_qualifier_holds_for_no_other() {
    let bench = bench();
    two(&bench).await;
    bench.done("CreateAlias", alias("prod", "1")).await;
    let stranger =
        bench.world.identities().user_of(&bench.world.other_account(), "ann", &[crate::support::ALL], None);
    let grant = with(permission("s", bench.world.other_account().as_str()), &[("Qualifier", text("prod"))]);
    let statement = bench.done("AddPermission", grant).await;
    assert!(statement["Statement"].as_str().unwrap().contains(&format!("{ARN}:prod")));
    let status = async |qualifier: &str| {
        let name = if qualifier.is_empty() { ARN.to_owned() } else { format!("{ARN}:{qualifier}") };
        let input = with(named(&name), &[("InvocationType", text("DryRun"))]);
        bench.world.call(&stranger, "lambda", "Invoke", input).await.status.as_u16()
    };
    for (qualifier, expected) in [("prod", 204), ("", 403), ("1", 403), ("2", 403), ("$LATEST", 403)] {
        assert_eq!(status(qualifier).await, expected, "{qualifier}");
    }
    // A new alias of the same name inherits nothing.
    bench.done("DeleteAlias", with(named("f"), &[("Name", text("prod"))])).await;
    bench.done("CreateAlias", alias("prod", "1")).await;
    assert_eq!(status("prod").await, 403);
    // Nor does a grant on the function reach its versions and aliases.
    bench.done("AddPermission", permission("s", bench.world.other_account().as_str())).await;
    for (qualifier, expected) in [("", 204), ("1", 403), ("prod", 403)] {
        assert_eq!(status(qualifier).await, expected, "{qualifier}");
    }
    let policy = with(named("f"), &[("Qualifier", text("1"))]);
    assert_eq!(refused(&bench, "GetPolicy", policy).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_runs_its_own_code_in_environments_of_its_own() {
    let bench = sandboxed();
    let code = |value: &str| {
        format!(
            "import os\ncount = 0\ndef handler(event, context):\n  global count\n  count += 1\n  return ['{value}', count, os.environ['AWS_LAMBDA_FUNCTION_VERSION'], context.function_version, context.invoked_function_arn, os.environ['AWS_LAMBDA_LOG_STREAM_NAME'].split(']')[0].split('[')[1], os.environ.get('WHO')]\n"
        )
    };
    let variables = |who: &str| {
        let all = Document::Map(vec![("WHO".to_owned(), text(who))]);
        ("Environment", Document::structure([("Variables", all)]))
    };
    bench.python_with("f", &code("old"), &[variables("first")]).await;
    bench.done("PublishVersion", named("f")).await;
    bench.done("CreateAlias", alias("prod", "1")).await;
    let update = with(named("f"), &[("ZipFile", archive(&[("app.py", &code("new"))]))]);
    bench.done("UpdateFunctionCode", update).await;
    bench.done("UpdateFunctionConfiguration", with(named("f"), &[variables("second")])).await;
    for (name, count, version, arn) in
        [("f:1", 1, "1", ":1"), ("f:prod", 2, "1", ":prod"), ("f", 1, "$LATEST", ""), ("f:1", 3, "1", ":1")]
    {
        let (value, who) = if version == "1" { ("old", "first") } else { ("new", "second") };
        let invoked = bench.invoke(name, "{}").await;
        let expected =
            serde_json::json!([value, count, version, version, format!("{ARN}{arn}"), version, who]);
        assert_eq!(invoked.ok(), expected, "{name}");
        assert!(invoked.log.contains(&format!("Version: {version}")), "{}", invoked.log);
    }
    let answer = bench.call("Invoke", named("f:prod")).await;
    assert_eq!(answer.headers.get("x-amz-executed-version").unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_with_two_versions_leads_to_both() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  return context.function_version\n").await;
    bench.done("PublishVersion", named("f")).await;
    bench.done("UpdateFunctionConfiguration", described("f", "other")).await;
    bench.done("PublishVersion", named("f")).await;
    let routed = with(alias("prod", "1"), &[("RoutingConfig", weights(&[("2", 0.5)]))]);
    assert_eq!(
        bench.done("CreateAlias", routed).await["RoutingConfig"]["AdditionalVersionWeights"]["2"],
        0.5
    );
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..24 {
        seen.insert(bench.invoke("f:prod", "{}").await.ok().as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}
