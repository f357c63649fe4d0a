//! How an API's resource policy combines with each kind of authorization: the developer guide's tables, row by row.

use std::{collections::BTreeSet, sync::Arc};

use casemate_jose::{PoolKeys, SigningKey, VerifyingKey};
use http::Method;
use serde_json::{Value, json};

use crate::{Api, Pools, Scene, expected, functions::Does, shown};

/// What a policy says of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Allow,
    Deny,
    Nothing,
}
use Says::{Allow, Deny, Nothing};

fn policy(says: Says, principal: &Value) -> Value {
    let (effect, resource) = match says {
        Allow => ("Allow", "execute-api:/prod/GET/*"),
        Deny => ("Deny", "execute-api:/prod/GET/*"),
        Nothing => ("Allow", "execute-api:/prod/POST/other"),
    };
    json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Principal": principal,
        "Action": "execute-api:Invoke", "Resource": resource}]})
}

async fn set(scene: &Scene, api: &Api, policy: &Value) {
    let input = json!({"restApiId": api.id, "patchOperations": [
        {"op": "replace", "path": "/policy", "value": policy.to_string()}]});
    scene.done("UpdateRestApi", input).await;
    scene.deploy(api).await;
}

#[tokio::test]
async fn without_authorization_the_policy_must_allow() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({})).await;
    for (says, status) in [(Allow, 200), (Nothing, 403), (Deny, 403)] {
        set(&scene, &api, &policy(says, &json!("*"))).await;
        let answer = scene.get(&api, "/x").await;
        assert_eq!(answer.status, status, "{says:?}");
        let tail = if says == Deny { " with an explicit deny" } else { "" };
        let body = format!(
            r#"{{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:{}/prod/GET/x{tail}"}}"#,
            api.id
        );
        if status == 403 {
            assert_eq!(shown(&answer), expected(403, &body, "AccessDeniedException"));
        }
    }
    let by_address = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
         "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}]});
    set(&scene, &api, &by_address).await;
    assert_eq!(scene.get(&api, "/x").await.status, 403);
    let forged = scene.request(&api, Method::GET, "/x").header("x-forwarded-for", "10.0.0.1");
    assert_eq!(scene.send(forged).await.status, 403, "a header is no address");
}

#[tokio::test]
async fn with_a_lambda_authorizer_either_allows_and_any_deny_wins() {
    let scene = Scene::new();
    let api = scene.api().await;
    let input = json!({"restApiId": api.id, "name": "auth", "type": "TOKEN", "authorizerUri": crate::uri("auth"),
        "identitySource": "method.request.header.Authorization", "authorizerResultTtlInSeconds": 0});
    let id = scene.done("CreateAuthorizer", input).await["id"].clone();
    scene.mock(&api, "GET", "/x", json!({"authorizationType": "CUSTOM", "authorizerId": id})).await;
    for (resource, status) in [
        (Allow, [(Allow, 200), (Nothing, 200), (Deny, 403)]),
        (Nothing, [(Allow, 200), (Nothing, 403), (Deny, 403)]),
        (Deny, [(Allow, 403), (Nothing, 403), (Deny, 403)]),
    ] {
        set(&scene, &api, &policy(resource, &json!("*"))).await;
        for (function, status) in status {
            let statement = match function {
                Allow => json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}),
                Deny => json!({"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*"}),
                Nothing => json!({"Effect": "Allow", "Action": "execute-api:Invoke",
                    "Resource": "arn:aws:execute-api:us-east-1:123456789012:other/*"}),
            };
            let answer = json!({"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}});
            scene.functions.set("auth", Does::Returns(answer));
            let before = scene.functions.events("auth").len();
            let request = scene.request(&api, Method::GET, "/x").header("authorization", "t");
            let answer = scene.send(request).await;
            assert_eq!(answer.status, status, "{resource:?} {function:?} {}", answer.text());
            let called = scene.functions.events("auth").len() > before;
            assert_eq!(called, resource != Deny, "a deny in the policy ends before the function is called");
            let verdict = scene.world.audit.records().into_iter().rev().find(|r| r.path.is_some()).unwrap();
            assert_eq!(
                verdict.decision.unwrap().verdict == "allow",
                status == 200,
                "the record names what decided"
            );
        }
    }
}

#[tokio::test]
async fn with_a_user_pool_the_policy_alone_must_allow_after_authentication() {
    let pool = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_one";
    let key = SigningKey::generate("one").unwrap();
    let keys = PoolKeys {
        issuer: "https://idp/one".into(),
        keys: vec![("one".to_owned(), Arc::new(VerifyingKey::from_jwk(&key.jwk()).unwrap()))],
        client_ids: BTreeSet::from(["client".to_owned()]),
    };
    let scene = Scene::with_pools(Pools([(pool.to_owned(), keys)].into()));
    let api = scene.api().await;
    let input =
        json!({"restApiId": api.id, "name": "pool", "type": "COGNITO_USER_POOLS", "providerARNs": [pool]});
    let id = scene.done("CreateAuthorizer", input).await["id"].clone();
    scene
        .mock(&api, "GET", "/x", json!({"authorizationType": "COGNITO_USER_POOLS", "authorizerId": id}))
        .await;
    let claims = json!({"iss": "https://idp/one", "aud": "client", "token_use": "id", "sub": "u",
        "exp": scene.world.now().seconds() + 60});
    let token = key.sign(claims.as_object().unwrap()).unwrap();
    for (says, status) in [(Allow, 200), (Nothing, 403), (Deny, 403)] {
        set(&scene, &api, &policy(says, &json!("*"))).await;
        let request = scene.request(&api, Method::GET, "/x").header("authorization", &token);
        assert_eq!(scene.send(request).await.status, status, "{says:?}");
        let garbage = scene.request(&api, Method::GET, "/x").header("authorization", "garbage");
        assert_eq!(scene.send(garbage).await.status, 401, "authentication comes first");
    }
}

#[tokio::test]
async fn with_iam_either_allows_in_one_account_and_both_must_across_accounts() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({"authorizationType": "AWS_IAM"})).await;
    let people = scene.world.identities();
    let deny =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"execute-api:*","Resource":"*"}}"#;
    let other = scene.world.other_account();
    let callers = |account: &casemate_names::AccountId, tag: &str| {
        [(Allow, vec![crate::ALLOW_ALL]), (Nothing, vec![]), (Deny, vec![crate::ALLOW_ALL, deny])].map(
            |(says, policies)| (says, people.user_of(account, &format!("{tag}-{says:?}"), &policies, None)),
        )
    };
    let (own, foreign) = (callers(&scene.world.scope().account.clone(), "own"), callers(&other, "foreign"));
    let principal = json!({"AWS": ["123456789012", other.as_str()]});
    for says in [Allow, Nothing, Deny] {
        set(&scene, &api, &policy(says, &principal)).await;
        for (which, callers) in [("own", &own), ("foreign", &foreign)] {
            for (identity, who) in callers {
                let request = scene.request(&api, Method::GET, "/x");
                let request = request.signed(who, "execute-api", "us-east-1", scene.world.now());
                // Naming the account delegates to it: its own policies still have to allow.
                let allowed = matches!((says, *identity, which), (Allow, Allow, _) | (Nothing, Allow, "own"));
                let answer = scene.send(request).await;
                assert_eq!(answer.status == 200, allowed, "{says:?} {identity:?} {which} {}", answer.text());
            }
        }
    }
    let (_, bob) = &own[1];
    let arn = bob.caller.as_ref().unwrap().arn_text();
    set(&scene, &api, &policy(Allow, &json!({"AWS": arn}))).await;
    let request =
        scene.request(&api, Method::GET, "/x").signed(bob, "execute-api", "us-east-1", scene.world.now());
    assert_eq!(scene.send(request).await.status, 200, "the policy alone suffices where it names the user");
}

#[tokio::test]
async fn whom_a_policy_names_must_exist_and_is_not_a_namesake_made_later() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({"authorizationType": "AWS_IAM"})).await;
    let role = scene.world.identities().role("worker", &[], None);
    let session = scene.world.session(&role, 3600, None).await;
    let named = session.caller.as_ref().unwrap().arn_text();
    let called = async |who: &casemate_testkit::Credentials| {
        let request = scene.request(&api, Method::GET, "/x");
        let request = request.signed(who, "execute-api", "us-east-1", scene.world.now());
        scene.send(request).await.status.as_u16()
    };
    for principal in
        ["arn:aws:iam::123456789012:role/nobody", "arn:aws:sts::123456789012:assumed-role/nobody/s"]
    {
        let text = policy(Allow, &json!({"AWS": principal})).to_string();
        let patch = json!({"restApiId": api.id, "patchOperations": [{"op": "replace", "path": "/policy", "value": text}]});
        for (operation, input) in
            [("UpdateRestApi", patch), ("CreateRestApi", json!({"name": "b", "policy": text}))]
        {
            let answer = scene.call(operation, input).await;
            assert_eq!(answer.status, 400, "{operation}: {}", answer.text());
            assert!(answer.message().starts_with("Invalid policy document."), "{}", answer.text());
        }
    }
    for principal in [role.arn.as_str(), &named] {
        set(&scene, &api, &policy(Allow, &json!({"AWS": principal}))).await;
        assert_eq!(called(&session).await, 200, "{principal}");
    }
    // A denial of a session goes by its name, one of a role by its unique id.
    let both = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {"Effect": "Deny", "Principal": {"AWS": named}, "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}]});
    let again = async || {
        scene.world.identities().delete(&scene.world.identities().role("worker", &[], None).unique_id);
        let role = scene.world.identities().role("worker", &[], None);
        scene.world.session(&role, 3600, None).await
    };
    for principal in [role.arn.as_str(), &named] {
        set(&scene, &api, &policy(Allow, &json!({"AWS": principal}))).await;
        assert_eq!(called(&again().await).await, 403, "{principal}");
        // Deployed again, the policy is still that of the old role.
        scene.deploy(&api).await;
        assert_eq!(called(&again().await).await, 403, "{principal}");
    }
    set(&scene, &api, &both).await;
    assert_eq!(called(&again().await).await, 403);
}
