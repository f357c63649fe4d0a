//! What a session may, and for how long.

use casemate_kernel::{FaultKind, Peer, SessionRequest};
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::Credentials;

use crate::scene::{ALLOW_ALL, Scene, credentials, input, refusal, role_arn, trust};

const ANN: &str = r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#;

fn tags(pairs: &[(&str, &str)]) -> Document {
    Document::List(pairs.iter().map(|(key, value)| input(&[("Key", key), ("Value", value)])).collect())
}

fn with(members: Vec<(&str, Document)>) -> Document {
    Document::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[tokio::test]
async fn a_session_is_its_role_and_ends_in_time() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let id = scene.role("r", ANN, Some(ALLOW_ALL)).await;
    let answer = scene.assume(&ann, "r", with(vec![("DurationSeconds", Document::Integer(900))])).await;
    let session = credentials(&answer);
    assert_eq!(answer.element("AssumedRoleId").unwrap(), format!("{id}:session"));
    assert_eq!(answer.element("Arn").unwrap(), "arn:aws:sts::123456789012:assumed-role/r/session");
    assert_eq!(answer.element("Expiration").unwrap(), "2026-11-24T00:15:00Z");
    let me = scene.whoami(&session).await;
    assert_eq!(me.element("Arn").unwrap(), "arn:aws:sts::123456789012:assumed-role/r/session");
    assert_eq!(me.element("UserId").unwrap(), format!("{id}:session"));
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 200);
    scene.world.clock.advance_seconds(901);
    assert_eq!(scene.whoami(&session).await.code().unwrap(), "ExpiredToken");
}

#[tokio::test]
async fn a_session_without_its_token_or_with_anothers_is_refused() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, Some(ALLOW_ALL)).await;
    let one = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    let two = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    let mut bare = one.clone();
    bare.session_token = None;
    assert_eq!(scene.whoami(&bare).await.status, 403);
    let mut mixed = one.clone();
    mixed.session_token = two.session_token;
    assert_eq!(scene.whoami(&mixed).await.status, 403);
    let mut burdened = ann.clone();
    burdened.session_token = one.session_token;
    assert_eq!(scene.whoami(&burdened).await.status, 403);
}

#[tokio::test]
async fn session_policies_only_take_away() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let users =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:List*","Resource":"*"}}"#;
    let list_users =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*User*","Resource":"*"}}"#;
    scene.role("r", ANN, Some(users)).await;
    let session = credentials(&scene.assume(&ann, "r", input(&[("Policy", list_users)])).await);
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 200);
    let refused = scene.refused(&session, "ListRoles", &[]).await;
    assert!(refused.ends_with("because no session policy allows the iam:ListRoles action"), "{refused}");
    assert_eq!(
        scene.tried(&session, "GetUser", &[("UserName", "ann")]).await.status,
        403,
        "the role may not"
    );

    let arns = with(vec![(
        "PolicyArns",
        Document::List(vec![input(&[("arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaRole")])]),
    )]);
    let limited = credentials(&scene.assume(&ann, "r", arns).await);
    assert_eq!(scene.tried(&limited, "ListUsers", &[]).await.status, 403);

    let missing = with(vec![(
        "PolicyArns",
        Document::List(vec![input(&[("arn", "arn:aws:iam::123456789012:policy/missing")])]),
    )]);
    assert!(refusal(&scene.assume(&ann, "r", missing).await).starts_with("ValidationError:"));
    let malformed = refusal(&scene.assume(&ann, "r", input(&[("Policy", "{}")])).await);
    assert_eq!(malformed, "MalformedPolicyDocument: Syntax errors in policy.");
}

#[tokio::test]
async fn session_tags_are_principal_tags_and_override_the_roles_own() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:PrincipalTag/person}"}}"#;
    scene.role("r", ANN, Some(own)).await;
    for name in ["bob", "carl"] {
        scene.iam(&scene.root, "CreateUser", &[("UserName", name)]).await;
    }
    let mut tag_role = input(&[("RoleName", "r")]);
    tag_role.push("Tags", tags(&[("person", "carl")]));
    assert_eq!(scene.world.call(&scene.root, "iam", "TagRole", tag_role).await.status, 200);

    let plain = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    assert_eq!(scene.tried(&plain, "GetUser", &[("UserName", "carl")]).await.status, 200);
    let session =
        credentials(&scene.assume(&ann, "r", with(vec![("Tags", tags(&[("person", "bob")]))])).await);
    assert_eq!(scene.tried(&session, "GetUser", &[("UserName", "bob")]).await.status, 200);
    assert_eq!(scene.tried(&session, "GetUser", &[("UserName", "carl")]).await.status, 403);
    let star = scene.assume(&ann, "r", with(vec![("Tags", tags(&[("person", "*")]))])).await;
    assert!(refusal(&star).starts_with("ValidationError:"), "no wildcard ever becomes a tag");
}

#[tokio::test]
async fn tags_and_source_identity_need_rights_of_their_own_in_the_trust_policy() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{ANN},"Action":"sts:AssumeRole"}}}}"#
    );
    scene.iam(&scene.root, "CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &document)]).await;
    assert_eq!(scene.assume(&ann, "r", Document::empty()).await.status, 200);
    let tagged = refusal(&scene.assume(&ann, "r", with(vec![("Tags", tags(&[("a", "b")]))])).await);
    assert!(tagged.contains("sts:TagSession"), "{tagged}");
    let named = refusal(&scene.assume(&ann, "r", input(&[("SourceIdentity", "ann")])).await);
    assert!(named.contains("sts:SetSourceIdentity"), "{named}");
}

#[tokio::test]
async fn the_source_identity_that_is_asked_for_decides() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let asking = |who: &str| with(vec![("SourceIdentity", who.into())]);
    let denying = |operator: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{ANN},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}},{{"Effect":"Deny","Principal":{ANN},"Action":"sts:AssumeRole","Condition":{{"{operator}":{{"sts:SourceIdentity":"eve"}}}}}}]}}"#
        )
    };
    scene.role("r", ANN, Some(ALLOW_ALL)).await;
    for (operator, who, fine) in [
        ("StringEquals", "eve", false),
        ("StringEquals", "ann", true),
        ("StringNotEquals", "ann", false),
        ("StringNotEquals", "eve", true),
    ] {
        let text = denying(operator);
        let members = [("RoleName", "r"), ("PolicyDocument", text.as_str())];
        scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
        let answer = scene.assume(&ann, "r", asking(who)).await;
        assert_eq!(answer.status == 200, fine, "{operator} {who}: {}", answer.text());
    }
    // Only under the name that the trust policy wants.
    let only = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{ANN},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],"Condition":{{"StringEquals":{{"sts:SourceIdentity":"ann"}}}}}}}}"#
    );
    let members = [("RoleName", "r"), ("PolicyDocument", only.as_str())];
    scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
    assert_eq!(scene.assume(&ann, "r", asking("ann")).await.status, 200);
    assert_eq!(scene.assume(&ann, "r", asking("bob")).await.status, 403);
    assert_eq!(scene.assume(&ann, "r", Document::empty()).await.status, 403);
}

#[tokio::test]
async fn tags_of_users_and_roles_decide_by_both_their_names() {
    let scene = Scene::new().await;
    let of = |key: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{{"StringEquals":{{"{key}/team":"blue"}}}}}},{{"Effect":"Allow","Action":"iam:ListGroupsForUser","Resource":"*"}},{{"Effect":"Deny","Action":"iam:ListGroupsForUser","Resource":"*","Condition":{{"StringEquals":{{"{key}/team":"red"}}}}}}]}}"#
        )
    };
    for (user, team) in [("blue", Some("blue")), ("red", Some("red")), ("none", None)] {
        let mut members = input(&[("UserName", user)]);
        members.push("Tags", tags(&team.map(|team| ("team", team)).into_iter().collect::<Vec<_>>()));
        let made = scene.world.call(&scene.root, "iam", "CreateUser", members).await;
        assert_eq!(made.status, 200, "{}", made.text());
    }
    for (name, key) in [("ann", "iam:ResourceTag"), ("bob", "aws:ResourceTag")] {
        let who = scene.user(name, Some(&of(key))).await;
        for (user, gets, lists) in [("blue", 200, 200), ("red", 403, 403), ("none", 403, 200)] {
            let named = [("UserName", user)];
            assert_eq!(scene.tried(&who, "GetUser", &named).await.status, gets, "{key} {user}");
            assert_eq!(scene.tried(&who, "ListGroupsForUser", &named).await.status, lists, "{key} {user}");
        }
    }
}

#[tokio::test]
async fn chains_carry_transitive_tags_and_source_identity_and_end_after_an_hour() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:PrincipalTag/person}","Condition":{"StringEquals":{"aws:SourceIdentity":"ann"}}}}"#;
    scene.role("first", ANN, None).await;
    scene.role("second", r#"{"AWS":"arn:aws:iam::123456789012:role/first"}"#, Some(own)).await;
    scene.iam(&scene.root, "UpdateRole", &[("RoleName", "second"), ("Description", "x")]).await;
    let asked = with(vec![
        ("Tags", tags(&[("person", "ann"), ("other", "x")])),
        ("TransitiveTagKeys", Document::List(vec!["person".into()])),
        ("SourceIdentity", "ann".into()),
    ]);
    let first = credentials(&scene.assume(&ann, "first", asked).await);
    let second = credentials(&scene.assume(&first, "second", Document::empty()).await);
    assert_eq!(scene.tried(&second, "GetUser", &[("UserName", "ann")]).await.status, 200);

    let overridden = with(vec![("Tags", tags(&[("Person", "bob")]))]);
    assert!(refusal(&scene.assume(&first, "second", overridden).await).starts_with("ValidationError:"));
    assert_ne!(scene.assume(&first, "second", input(&[("SourceIdentity", "bob")])).await.status, 200);
    let long = with(vec![("DurationSeconds", Document::Integer(3601))]);
    assert_eq!(
        refusal(&scene.assume(&first, "second", long).await),
        "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    );
}

/// A session of role `first` as a function's execution environment `env-1` gets it.
async fn bound(scene: &Scene) -> Credentials {
    let sessions = scene.env.sessions().unwrap();
    let function = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
    let request = SessionRequest {
        role: sessions.role(&Arn::parse(&role_arn("first")).unwrap()).unwrap().unwrap(),
        session_name: "f".to_owned(),
        duration_s: 3600,
        policies: None,
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        bound_to: Some("env-1".to_owned()),
        source_function: Some(function.clone()),
    };
    let made = sessions.mint_for_service(request, &function, scene.world.now()).await.unwrap();
    Credentials {
        access_key_id: made.access_key_id,
        secret: made.secret_access_key,
        session_token: Some(made.session_token.expose().clone()),
        caller: None,
    }
}

#[tokio::test]
async fn credentials_chained_in_an_environment_are_refused_outside_of_it() {
    let scene = Scene::new().await;
    scene.role("first", r#"{"Service":"iam.amazonaws.com"}"#, None).await;
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"ArnEquals":{"lambda:SourceFunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:f"}}}}"#;
    scene.role("second", r#"{"AWS":"arn:aws:iam::123456789012:role/first"}"#, Some(own)).await;
    scene.role("third", r#"{"AWS":"arn:aws:iam::123456789012:role/second"}"#, Some(ALLOW_ALL)).await;
    let function = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
    let home = || Peer::Environment { id: "env-1".to_owned(), function: function.clone(), at_work: true };
    let foreign = || Peer::Environment { id: "env-2".to_owned(), function: function.clone(), at_work: true };
    let assume = |who: Credentials, role: &'static str| {
        let asked = input(&[("RoleArn", &role_arn(role)), ("RoleSessionName", "session")]);
        let request = scene.world.request(&who, "sts", "AssumeRole", &asked);
        let world = &scene.world;
        async move { credentials(&world.send_from(home(), &request).await) }
    };
    let second = assume(bound(&scene).await, "second").await;
    let third = assume(second.clone(), "third").await;
    for chained in [second, third] {
        let request = scene.world.request(&chained, "iam", "ListUsers", &Document::empty());
        assert_eq!(scene.world.send_from(home(), &request).await.status, 200);
        let idle =
            || Peer::Environment { id: "env-1".to_owned(), function: function.clone(), at_work: false };
        for peer in
            [foreign(), idle(), Peer::Network { address: "203.0.113.7:443".parse().unwrap(), tls: true }]
        {
            let answer = scene.world.send_from(peer, &request).await;
            assert_eq!(answer.code().unwrap(), "InvalidClientTokenId", "{}", answer.text());
            assert!(scene.world.last_record().alarm.is_some(), "the leak is in the trail");
        }
    }
}

#[tokio::test]
async fn inherited_tags_also_need_the_right_to_tag() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("first", ANN, Some(ALLOW_ALL)).await;
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/first"},"Action":"sts:AssumeRole"}}"#;
    scene
        .iam(&scene.root, "CreateRole", &[("RoleName", "second"), ("AssumeRolePolicyDocument", document)])
        .await;
    let asked = with(vec![
        ("Tags", tags(&[("person", "ann")])),
        ("TransitiveTagKeys", Document::List(vec!["person".into()])),
    ]);
    let first = credentials(&scene.assume(&ann, "first", asked).await);
    assert_eq!(scene.assume(&first, "second", Document::empty()).await.status, 403);
}

#[tokio::test]
async fn durations_end_at_the_roles_maximum() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    let asked = |seconds| with(vec![("DurationSeconds", Document::Integer(seconds))]);
    assert_eq!(
        refusal(&scene.assume(&ann, "r", asked(7200)).await),
        "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
    assert!(refusal(&scene.assume(&ann, "r", asked(899)).await).starts_with("ValidationError:"));
    let mut longer = input(&[("RoleName", "r")]);
    longer.push("MaxSessionDuration", Document::Integer(7200));
    assert_eq!(scene.world.call(&scene.root, "iam", "UpdateRole", longer).await.status, 200);
    assert_eq!(scene.assume(&ann, "r", asked(7200)).await.status, 200);
}

#[tokio::test]
async fn revoking_older_sessions_bites_at_once() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, Some(ALLOW_ALL)).await;
    let session = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 200);
    scene.world.clock.advance_seconds(60);
    let revoke = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-11-24T00:00:30Z"}}}}"#;
    let members = [("RoleName", "r"), ("PolicyName", "AWSRevokeOlderSessions"), ("PolicyDocument", revoke)];
    scene.iam(&scene.root, "PutRolePolicy", &members).await;
    let refused = scene.refused(&session, "ListUsers", &[]).await;
    assert!(refused.ends_with("with an explicit deny in an identity-based policy"), "{refused}");
    let fresh = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    assert_eq!(scene.tried(&fresh, "ListUsers", &[]).await.status, 200);
}

#[tokio::test]
async fn the_trust_policy_sees_the_sessions_name_and_tags() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let document = trust(
        ANN,
        r#","Condition":{"StringEquals":{"sts:RoleSessionName":"session","aws:RequestTag/user":"ann"},"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["user"]}}"#,
    );
    scene.iam(&scene.root, "CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &document)]).await;
    let good = |key: &'static str, value: &'static str| with(vec![("Tags", tags(&[(key, value)]))]);
    assert_eq!(scene.assume(&ann, "r", good("user", "ann")).await.status, 200);
    assert_eq!(scene.assume(&ann, "r", good("user", "bob")).await.status, 403);
    assert_eq!(scene.assume(&ann, "r", Document::empty()).await.status, 403);
    let asked = input(&[("RoleArn", "arn:aws:iam::123456789012:role/r"), ("RoleSessionName", "other")]);
    assert_eq!(scene.world.call(&ann, "sts", "AssumeRole", asked).await.status, 403);
}

#[tokio::test]
async fn mfa_that_does_not_exist_is_never_right() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    let asked = input(&[("SerialNumber", "arn:aws:iam::123456789012:mfa/ann"), ("TokenCode", "123456")]);
    assert_eq!(
        refusal(&scene.assume(&ann, "r", asked).await),
        "AccessDenied: MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial \
         number is valid and associated with this user."
    );
}

#[tokio::test]
async fn too_many_and_too_long_session_policies_are_refused() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaRole";
    let many = vec![input(&[("arn", arn)]); 11];
    let refused = refusal(&scene.assume(&ann, "r", with(vec![("PolicyArns", Document::List(many))])).await);
    assert!(refused.starts_with("ValidationError:"), "{refused}");
    let long = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::{}"}}}}"#,
        "x".repeat(2048)
    );
    let refused = refusal(&scene.assume(&ann, "r", input(&[("Policy", &long)])).await);
    assert!(
        refused.starts_with("PackedPolicyTooLarge:") || refused.starts_with("ValidationError:"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_deny_in_a_session_policy_wins_over_the_role() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, Some(ALLOW_ALL)).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:listusers","Resource":"*"}]}"#;
    let session = credentials(&scene.assume(&ann, "r", input(&[("Policy", policy)])).await);
    assert_eq!(scene.tried(&session, "ListRoles", &[]).await.status, 200);
    let refused = scene.refused(&session, "ListUsers", &[]).await;
    assert!(refused.ends_with("with an explicit deny in a session policy"), "{refused}");
}

#[tokio::test]
async fn a_role_made_again_while_it_is_assumed_is_assumed_by_nobody() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.user("bob", None).await;
    scene.role("r", ANN, None).await;
    let denied = "AccessDenied: User: arn:aws:iam::123456789012:user/ann is not authorized to perform: sts:AssumeRole \
                  on resource: arn:aws:iam::123456789012:role/r";
    // Also where the new role trusts the caller: nobody has asked it.
    scene.make_again_meanwhile("r", &trust(ANN, ""));
    let answer = scene.assume(&ann, "r", Document::empty()).await;
    assert!(scene.has_happened());
    assert_eq!(refusal(&answer), denied);
    assert_eq!(scene.assume(&ann, "r", Document::empty()).await.status, 200, "the new role trusts ann");
    scene.make_again_meanwhile("r", &trust(r#"{"AWS":"arn:aws:iam::123456789012:user/bob"}"#, ""));
    let answer = scene.assume(&ann, "r", Document::empty()).await;
    assert!(scene.has_happened());
    assert_eq!(refusal(&answer), denied);
    scene.iam(&scene.root, "DeleteRole", &[("RoleName", "r")]).await;
    scene.role("r", ANN, None).await;
    scene.delete_meanwhile("r");
    let answer = scene.assume(&ann, "r", Document::empty()).await;
    assert!(scene.has_happened());
    assert_eq!(refusal(&answer), denied, "gone");
}

#[tokio::test]
async fn a_role_made_again_while_a_service_assumes_it_is_not_the_services() {
    let scene = Scene::new().await;
    let lambda = r#"{"Service":"lambda.amazonaws.com"}"#;
    let old = scene.role("exec", lambda, None).await;
    let env = scene.world.env();
    let arn = Arn::parse(&role_arn("exec")).unwrap();
    let sessions = scene.env.sessions().unwrap();
    let facts = sessions.role(&arn).unwrap().unwrap();
    assert_eq!(facts.unique_id, old);
    let source = Arn::regional(scene.world.scope(), "testkit", "thing");
    // Of all services the kit's own is the only one that asks here: the role has to trust that.
    let kit = trust(r#"{"Service":"testkit.amazonaws.com"}"#, "");
    for _ in 0..2 {
        scene.iam(&scene.root, "DeleteRole", &[("RoleName", "exec")]).await;
        let members = [("RoleName", "exec"), ("AssumeRolePolicyDocument", kit.as_str())];
        scene.iam(&scene.root, "CreateRole", &members).await;
        let own = env.sessions().unwrap();
        let refused = own.check_trust(&facts, &source, scene.world.now()).unwrap_err();
        assert!(matches!(refused.kind(), FaultKind::Denied(_)), "{refused:?}");
        let now = own.role(&arn).unwrap().unwrap();
        assert!(own.check_trust(&now, &source, scene.world.now()).is_ok());
    }
}
