//! The policy simulator says what the gate would, and by which statements.

use casemate_schema::Document;

use crate::scene::{Scene, input, user_arn};

fn list(texts: &[&str]) -> Document {
    Document::List(texts.iter().map(|text| Document::from(*text)).collect())
}

fn entry(name: &str, kind: &str, values: &[&str]) -> Document {
    Document::structure([
        ("ContextKeyName", name.into()),
        ("ContextKeyType", kind.into()),
        ("ContextKeyValues", list(values)),
    ])
}

fn asked(members: &[(&str, Document)]) -> Document {
    let mut asked = input(&[]);
    for (name, value) in members {
        asked.push(name, value.clone());
    }
    asked
}

async fn custom(scene: &Scene, members: &[(&str, Document)]) -> String {
    let answer = scene.world.call(&scene.root, "iam", "SimulateCustomPolicy", asked(members)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn decisions(text: &str) -> Vec<&str> {
    let pieces = text.split("<EvalDecision>").skip(1);
    pieces.filter_map(|piece| piece.split_once('<').map(|(decision, _)| decision)).collect()
}

const READ: &str = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"s3:Get*\",\n      \"Resource\": \"arn:aws:s3:::b/*\"\n    }\n  ]\n}";

#[tokio::test]
async fn each_action_on_each_resource_is_decided_and_the_statement_is_found() {
    let scene = Scene::new().await;
    let text = custom(
        &scene,
        &[
            ("PolicyInputList", list(&[READ])),
            ("ActionNames", list(&["s3:GetObject", "s3:PutObject"])),
            ("ResourceArns", list(&["arn:aws:s3:::b/k", "arn:aws:s3:::c/k"])),
        ],
    )
    .await;
    assert_eq!(decisions(&text), ["allowed", "implicitDeny", "implicitDeny", "implicitDeny"], "{text}");
    for part in [
        "<SourcePolicyId>PolicyInputList.1</SourcePolicyId>",
        "<StartPosition><Line>3</Line><Column>17</Column></StartPosition>",
        "<EndPosition><Line>8</Line><Column>6</Column></EndPosition>",
    ] {
        assert!(text.replace('\n', "").contains(part), "{part} in {text}");
    }
    assert!(!text.contains("OrganizationsDecisionDetail") && !text.contains("PermissionsBoundaryDecision"));
}

#[tokio::test]
async fn typed_context_counts_and_what_is_missing_is_named() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"x:Do","Resource":"*","Condition":{"NumericLessThan":{"x:Size":"10"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}}]}"#;
    let base = [("PolicyInputList", list(&[policy])), ("ActionNames", list(&["x:Do"]))];
    let text = custom(&scene, &base).await;
    assert_eq!(decisions(&text), ["implicitDeny"]);
    for key in ["x:Size", "aws:SourceIp", "aws:TagKeys"] {
        assert!(text.contains(&format!("<member>{key}</member>")), "{key}: {text}");
    }
    let with = |entries: Vec<Document>| [&base[..], &[("ContextEntries", Document::List(entries))]].concat();
    let good = vec![
        entry("x:size", "numeric", &["9"]),
        entry("aws:SourceIp", "ip", &["10.1.2.3"]),
        entry("aws:TagKeys", "stringList", &["a"]),
    ];
    let text = custom(&scene, &with(good.clone())).await;
    assert_eq!(decisions(&text), ["allowed"], "{text}");
    let mut foreign = good;
    foreign[2] = entry("aws:TagKeys", "stringList", &["a", "c"]);
    assert_eq!(decisions(&custom(&scene, &with(foreign)).await), ["implicitDeny"]);
    for bad in [
        entry("x:Size", "numeric", &["nine"]),
        entry("x:Size", "numeric", &["1", "2"]),
        entry("aws:SourceIp", "ip", &["somewhere"]),
        entry("x:Flag", "boolean", &["yes"]),
        entry("x:When", "date", &["tomorrow"]),
        entry("nocolon", "string", &["x"]),
    ] {
        let members = with(vec![bad]);
        let answer = scene.world.call(&scene.root, "iam", "SimulateCustomPolicy", asked(&members)).await;
        assert_eq!(answer.code().as_deref(), Some("InvalidInput"), "{}", answer.text());
    }
}

#[tokio::test]
async fn denies_boundaries_organizations_and_resource_policies_have_their_say() {
    let scene = Scene::new().await;
    let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Sid":"N","Effect":"Deny","Action":"s3:put*","Resource":"*"}]}"#;
    let get =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#;
    let actions = ("ActionNames", list(&["s3:GetObject", "s3:PutObject", "s3:ListBucket"]));
    let text = custom(&scene, &[("PolicyInputList", list(&[allow, deny])), actions.clone()]).await;
    assert_eq!(decisions(&text), ["allowed", "explicitDeny", "allowed"]);
    assert!(text.contains("PolicyInputList.2"));
    let bounded = [
        ("PolicyInputList", list(&[allow])),
        actions.clone(),
        ("PermissionsBoundaryPolicyInputList", list(&[get])),
    ];
    let text = custom(&scene, &bounded).await;
    assert_eq!(decisions(&text), ["allowed", "implicitDeny", "implicitDeny"]);
    assert_eq!(text.matches("<AllowedByPermissionsBoundary>false").count(), 2, "{text}");
    let level = |policy: &str| Document::structure([("ServiceControlPolicyInputList", list(&[policy]))]);
    let organized = [
        ("PolicyInputList", list(&[allow])),
        actions.clone(),
        ("OrderedOrganizationPolicyInputList", Document::List(vec![level(allow), level(get)])),
    ];
    let text = custom(&scene, &organized).await;
    assert_eq!(decisions(&text), ["allowed", "implicitDeny", "implicitDeny"]);
    assert_eq!(text.matches("<AllowedByOrganizations>true").count(), 1, "{text}");

    let ann = user_arn("ann");
    let shared = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ann}"}},"Action":"s3:PutObject","Resource":"*"}}]}}"#
    );
    let resource = |owner: &str, caller: &str| {
        [
            ("PolicyInputList", list(&[get])),
            actions.clone(),
            ("ResourcePolicy", shared.as_str().into()),
            ("ResourceOwner", owner.into()),
            ("CallerArn", caller.into()),
        ]
    };
    let own = "arn:aws:iam::123456789012:root";
    assert_eq!(
        decisions(&custom(&scene, &resource(own, &ann)).await),
        ["allowed", "allowed", "implicitDeny"]
    );
    let bob = user_arn("bob");
    let text = custom(&scene, &resource(own, &bob)).await;
    assert_eq!(decisions(&text), ["allowed", "implicitDeny", "implicitDeny"]);
    // Across accounts both sides must allow.
    let text = custom(&scene, &resource("arn:aws:iam::210987654321:root", &ann)).await;
    assert_eq!(decisions(&text), ["implicitDeny", "implicitDeny", "implicitDeny"], "{text}");
    assert!(text.contains("<key>Resource Policy</key>"), "{text}");
}

#[tokio::test]
async fn a_principals_own_policies_its_groups_and_boundary_are_simulated() {
    let scene = Scene::new().await;
    let me = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}]}"#;
    let ann = scene.user("ann", Some(me)).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    let list_users = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}"#;
    let put = [("GroupName", "devs"), ("PolicyName", "lists"), ("PolicyDocument", list_users)];
    scene.iam(&scene.root, "PutGroupPolicy", &put).await;
    scene.iam(&scene.root, "AddUserToGroup", &[("GroupName", "devs"), ("UserName", "ann")]).await;
    let (mine, other) = (user_arn("ann"), user_arn("bob"));
    let simulate = |source: &str, action: &str, resource: &str| {
        asked(&[
            ("PolicySourceArn", source.into()),
            ("ActionNames", list(&[action])),
            ("ResourceArns", list(&[resource])),
        ])
    };
    for (source, action, resource, decision, by) in [
        (mine.as_str(), "iam:GetUser", mine.as_str(), "allowed", "user_ann_inline"),
        (&mine, "iam:GetUser", &other, "implicitDeny", ""),
        (&mine, "iam:ListUsers", &mine, "allowed", "group_devs_lists"),
        ("arn:aws:iam::123456789012:group/devs", "iam:ListUsers", "*", "allowed", "group_devs_lists"),
    ] {
        let answer = scene
            .world
            .call(&scene.root, "iam", "SimulatePrincipalPolicy", simulate(source, action, resource))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(decisions(&answer.text()), [decision], "{action} {resource}");
        assert!(answer.text().contains(by));
    }
    // The gate agrees.
    assert_eq!(scene.tried(&ann, "GetUser", &[("UserName", "ann")]).await.status, 200);
    assert_eq!(scene.tried(&ann, "GetUser", &[("UserName", "bob")]).await.status, 403);
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    // To simulate takes a right of its own.
    let refused =
        scene.world.call(&ann, "iam", "SimulatePrincipalPolicy", simulate(&mine, "iam:GetUser", "*")).await;
    assert!(
        refused
            .message()
            .contains("iam:SimulatePrincipalPolicy on resource: arn:aws:iam::123456789012:user/ann")
    );
    let nobody =
        scene.world.call(&scene.root, "iam", "SimulatePrincipalPolicy", simulate(&other, "x:Y", "*")).await;
    assert_eq!(nobody.code().as_deref(), Some("NoSuchEntity"));
    let keys =
        scene.iam(&scene.root, "GetContextKeysForPrincipalPolicy", &[("PolicySourceArn", &mine)]).await;
    assert!(keys.text().contains("<member>aws:username</member>"));
    let mut granting = input(&[("Arn", &mine)]);
    granting.push("ServiceNamespaces", list(&["iam", "s3"]));
    let granting = scene.world.call(&scene.root, "iam", "ListPoliciesGrantingServiceAccess", granting).await;
    assert_eq!(granting.text().matches("<PolicyName>").count(), 2, "{}", granting.text());
}

#[tokio::test]
async fn malformed_policies_and_actions_are_refused_and_pages_cover_everything_once() {
    let scene = Scene::new().await;
    for (policy, action) in
        [("{}", "s3:GetObject"), (READ, "s3:*"), (READ, "GetObject"), (READ, "s3:Get:Object")]
    {
        let members = asked(&[("PolicyInputList", list(&[policy])), ("ActionNames", list(&[action]))]);
        let answer = scene.world.call(&scene.root, "iam", "SimulateCustomPolicy", members).await;
        assert_eq!(answer.code().as_deref(), Some("InvalidInput"), "{action}: {}", answer.text());
    }
    let (mut seen, mut marker) = (Vec::new(), None::<String>);
    loop {
        let mut members = asked(&[
            ("PolicyInputList", list(&[READ])),
            ("ActionNames", list(&["s3:A1", "s3:A2", "s3:A3"])),
            ("ResourceArns", list(&["arn:aws:s3:::x", "arn:aws:s3:::y"])),
            ("MaxItems", Document::Integer(4)),
        ]);
        if let Some(marker) = &marker {
            members.push("Marker", marker.as_str().into());
        }
        let page = scene.world.call(&scene.root, "iam", "SimulateCustomPolicy", members).await;
        let text = page.text();
        seen.extend(
            text.split("<EvalActionName>").skip(1).map(|piece| piece.chars().take(5).collect::<String>()),
        );
        marker = page.element("Marker");
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["s3:A1", "s3:A1", "s3:A2", "s3:A2", "s3:A3", "s3:A3"]);
}

#[tokio::test]
async fn a_page_of_many_statements_is_shorter_than_was_asked_for_and_the_rest_follows() {
    let scene = Scene::new().await;
    let statement = r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#;
    let document = |count: usize| {
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, vec![statement; count].join(","))
    };
    let resources: Vec<String> = (0..210).map(|number| format!("arn:aws:s3:::b/{number}")).collect();
    let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
    let policy = document(1_000);
    let mut marker = None;
    let mut pages = Vec::new();
    loop {
        let mut members = vec![
            ("PolicyInputList", list(&[&policy])),
            ("ActionNames", list(&["s3:GetObject"])),
            ("ResourceArns", list(&resources)),
            ("MaxItems", Document::Integer(1_000)),
        ];
        if let Some(marker) = marker.take() {
            members.push(("Marker", Document::from(marker)));
        }
        let text = custom(&scene, &members).await;
        pages.push(decisions(&text).len());
        marker = text.split_once("<Marker>").and_then(|(_, rest)| Some(rest.split_once('<')?.0.to_owned()));
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(pages, [200, 10]);
}
