//! `COGNITO_USER_POOLS`: which tokens open which methods.

use std::{collections::BTreeSet, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_jose::{PoolKeys, SigningKey, VerifyingKey};
use http::Method;
use serde_json::{Value, json};

use crate::{Api, Pools, Scene, expected, shown};

const POOL: &str = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_one";
const OTHER: &str = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_two";

struct Guarded {
    scene: Scene,
    api: Api,
    key: SigningKey,
    foreign: SigningKey,
}

/// `GET /id` takes ID tokens, `GET /scoped` access tokens with `notes/read`.
async fn guarded() -> Guarded {
    let (key, foreign) = (SigningKey::generate("one").unwrap(), SigningKey::generate("two").unwrap());
    let keys = |key: &SigningKey| PoolKeys {
        issuer: format!("https://idp/{}", key.kid()),
        keys: vec![(key.kid().to_owned(), Arc::new(VerifyingKey::from_jwk(&key.jwk()).unwrap()))],
        client_ids: BTreeSet::from(["client".to_owned()]),
    };
    let pools = Pools([(POOL.to_owned(), keys(&key)), (OTHER.to_owned(), keys(&foreign))].into());
    let scene = Scene::with_pools(pools);
    let api = scene.api().await;
    let input = json!({"restApiId": api.id, "name": "pool", "type": "COGNITO_USER_POOLS", "providerARNs": [POOL],
        "identitySource": "method.request.header.Authorization"});
    let id = scene.done("CreateAuthorizer", input).await["id"].clone();
    let method = json!({"authorizationType": "COGNITO_USER_POOLS", "authorizerId": id});
    scene.proxy(&api, "GET", "/id", method.clone(), "echo").await;
    let mut scoped = method;
    scoped["authorizationScopes"] = json!(["notes/read", "notes/admin"]);
    scene.proxy(&api, "GET", "/scoped", scoped, "echo").await;
    scene.deploy(&api).await;
    Guarded { scene, api, key, foreign }
}

impl Guarded {
    fn id_token(&self) -> Value {
        let now = self.scene.world.now().seconds();
        json!({"iss": "https://idp/one", "aud": "client", "token_use": "id", "sub": "u-1", "exp": now + 3600,
            "iat": now, "cognito:username": "ann", "cognito:groups": ["a", "b"], "email_verified": true})
    }

    fn access_token(&self) -> Value {
        let now = self.scene.world.now().seconds();
        json!({"iss": "https://idp/one", "client_id": "client", "token_use": "access", "sub": "u-1",
            "exp": now + 3600, "scope": "openid notes/read"})
    }

    fn sign(&self, claims: &Value) -> String {
        self.key.sign(claims.as_object().unwrap()).unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> (u16, String, String) {
        let request = self.scene.request(&self.api, Method::GET, path).header("authorization", token);
        shown(&self.scene.send(request).await)
    }
}

fn unauthorized() -> (u16, String, String) {
    expected(401, r#"{"message":"Unauthorized"}"#, "UnauthorizedException")
}

#[tokio::test]
async fn an_id_token_opens_a_method_without_scopes_and_its_claims_arrive_as_text() {
    let guarded = guarded().await;
    for token in [guarded.sign(&guarded.id_token()), format!("Bearer {}", guarded.sign(&guarded.id_token()))]
    {
        let (status, body, _) = guarded.get("/id", &token).await;
        assert_eq!(status, 200, "{body}");
        let event: Value = serde_json::from_str(&body).unwrap();
        let claims = &event["requestContext"]["authorizer"]["claims"];
        assert_eq!((&claims["sub"], &claims["cognito:groups"]), (&json!("u-1"), &json!("a,b")));
        assert_eq!(
            (&claims["email_verified"], &claims["iat"]),
            (&json!("true"), &json!("Tue Nov 24 00:00:00 UTC 2026"))
        );
    }
    let request = guarded.scene.world.audit.records().into_iter().rev().find(|r| r.path.is_some()).unwrap();
    assert_eq!(request.caller, format!("{POOL}/user/u-1"));
}

#[tokio::test]
async fn kinds_of_tokens_are_not_interchangeable() {
    let guarded = guarded().await;
    let (id, access) = (guarded.sign(&guarded.id_token()), guarded.sign(&guarded.access_token()));
    assert_eq!(guarded.get("/id", &access).await, unauthorized());
    assert_eq!(guarded.get("/scoped", &id).await, unauthorized());
    assert_eq!(guarded.get("/scoped", &access).await.0, 200);
    let mut other = guarded.access_token();
    other["scope"] = "notes/write".into();
    assert_eq!(guarded.get("/scoped", &guarded.sign(&other)).await, unauthorized());
}

#[tokio::test]
async fn tokens_that_are_not_believed_are_unauthorized() {
    let guarded = guarded().await;
    let good = guarded.sign(&guarded.id_token());
    let mut parts = good.split('.');
    let (head, body, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut other_user = guarded.id_token();
    other_user["sub"] = "u-2".into();
    let mut of_other_pool = guarded.id_token();
    of_other_pool["iss"] = "https://idp/two".into();
    let foreign = |claims: &Value| guarded.foreign.sign(claims.as_object().unwrap()).unwrap();
    for (what, token) in [
        ("garbage", "garbage".to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("tampered", format!("{head}.{}.{signature}", part(&other_user))),
        ("alg none", format!("{}.{body}.", part(&json!({"alg": "none", "kid": "one"})))),
        ("alg HS256", format!("{}.{body}.{signature}", part(&json!({"alg": "HS256", "kid": "one"})))),
        ("foreign pool", foreign(&of_other_pool)),
        ("foreign key", foreign(&guarded.id_token())),
        ("foreign issuer", guarded.sign(&of_other_pool)),
    ] {
        assert_eq!(guarded.get("/id", &token).await, unauthorized(), "{what}");
    }
    assert_eq!(shown(&guarded.scene.get(&guarded.api, "/id").await), unauthorized(), "missing");
    assert!(guarded.scene.functions.events("echo").is_empty());
}

#[tokio::test]
async fn an_expired_token_is_told_so() {
    let guarded = guarded().await;
    let token = guarded.sign(&guarded.id_token());
    guarded.scene.world.clock.advance_seconds(3_599);
    assert_eq!(guarded.get("/id", &token).await.0, 200);
    guarded.scene.world.clock.advance_seconds(1);
    let expired = expected(401, r#"{"message":"The incoming token has expired"}"#, "UnauthorizedException");
    assert_eq!(guarded.get("/id", &token).await, expired);
}

#[tokio::test]
async fn of_two_tokens_in_one_request_the_judged_one_is_the_one_passed_on() {
    let guarded = guarded().await;
    let good = guarded.sign(&guarded.id_token());
    let request = guarded.scene.request(&guarded.api, Method::GET, "/id");
    let request = request.header("authorization", &good).header("authorization", "garbage");
    assert_eq!(guarded.scene.send(request).await.status, 401);
    let request = guarded.scene.request(&guarded.api, Method::GET, "/id");
    let request = request.header("authorization", "garbage").header("authorization", &good);
    let answer = guarded.scene.send(request).await;
    assert_eq!(answer.json()["headers"]["Authorization"], json!(good), "{}", answer.text());
}
