//! Outbound federation: tokens by which strangers recognise users and roles, who may have which, and what they are no good for.

use std::sync::{Arc, Mutex};

use casemate_jose::{InvalidToken, read_key_set, verify};
use casemate_kernel::{BoxFuture, SessionRequest};
use casemate_names::{AccountId, Arn};
use casemate_schema::Document;
use casemate_sts::{IssuerKeySet, IssuerKeys, Unreachable};
use casemate_testkit::{Credentials, Request, Response};
use http::Method;
use serde_json::{Value, json};

use crate::scene::{ALLOW_ALL, Scene, credentials, input, refusal, role_arn, user_arn};

const SERVER: &str = "http://localhost:4566";
const ANN: &str = r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#;
const OWN: &str = "https://sts.amazonaws.com/";
const DISABLED: &str = "OutboundWebIdentityFederationDisabledException: The outbound web identity federation feature is not \
                        enabled for this account. To use this feature, you must first enable it through the Amazon Web \
                        Services Management Console or API.";

/// What is asked for: audience, algorithm, and more.
fn wanted(audience: &[&str], algorithm: &str, more: &[(&str, Document)]) -> Document {
    let mut wanted = input(&[("SigningAlgorithm", algorithm)]);
    wanted.push("Audience", Document::List(audience.iter().map(|one| Document::from(*one)).collect()));
    for (name, value) in more {
        wanted.push(name, value.clone());
    }
    wanted
}

fn tags(pairs: &[(&str, &str)]) -> Document {
    Document::List(pairs.iter().map(|(key, value)| input(&[("Key", key), ("Value", value)])).collect())
}

async fn ask(scene: &Scene, who: &Credentials, wanted: Document) -> Response {
    scene.world.call(who, "sts", "GetWebIdentityToken", wanted).await
}

async fn simple(scene: &Scene, who: &Credentials) -> Response {
    ask(scene, who, wanted(&["app"], "RS256", &[])).await
}

async fn enable(scene: &Scene) -> String {
    let made = scene.iam(&scene.root, "EnableOutboundWebIdentityFederation", &[]).await;
    made.element("IssuerIdentifier").unwrap()
}

/// What anybody gets at an issuer's address.
async fn public(scene: &Scene, issuer: &str, document: &str) -> Response {
    let path = issuer.strip_prefix(SERVER).unwrap();
    scene.world.send(&Request::new(Method::GET, &format!("{path}/.well-known/{document}"))).await
}

/// The claims of a token, as a stranger believes them who knows the issuer's address only.
async fn believed(scene: &Scene, issuer: &str, token: &str) -> Value {
    let configuration = public(scene, issuer, "openid-configuration").await;
    assert_eq!(configuration.status, 200, "{}", configuration.text());
    let configuration = configuration.json();
    assert_eq!(configuration["issuer"], issuer);
    assert_eq!(configuration["jwks_uri"], format!("{issuer}/.well-known/jwks.json"));
    let keys = read_key_set(public(scene, issuer, "jwks.json").await.text().as_bytes()).unwrap();
    let found = |kid: &str| keys.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone());
    let verified = verify(token, found).unwrap();
    assert_eq!(verified.claims["iss"], issuer);
    Value::Object(verified.claims)
}

fn token(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.element("WebIdentityToken").unwrap()
}

#[tokio::test]
async fn an_issuer_is_switched_on_and_off_and_stays_the_accounts() {
    let scene = Scene::new().await;
    let (info, disable) = ("GetOutboundWebIdentityFederationInfo", "DisableOutboundWebIdentityFederation");
    for operation in [info, disable] {
        let refused = scene.refused(&scene.root, operation, &[]).await;
        assert!(refused.starts_with("FeatureDisabled: "), "{refused}");
    }
    assert_eq!(refusal(&simple(&scene, &scene.root).await), DISABLED);

    let issuer = enable(&scene).await;
    assert!(issuer.starts_with("http://localhost:4566/outbound-identity/"), "{issuer}");
    let told = scene.iam(&scene.root, info, &[]).await;
    assert_eq!(told.element("IssuerIdentifier").unwrap(), issuer);
    assert_eq!(told.element("JwtVendingEnabled").unwrap(), "true");
    let again = scene.tried(&scene.root, "EnableOutboundWebIdentityFederation", &[]).await;
    assert_eq!((again.status.as_u16(), again.code().as_deref()), (409, Some("FeatureEnabled")));
    let old = token(&simple(&scene, &scene.root).await);

    scene.iam(&scene.root, disable, &[]).await;
    assert_eq!(refusal(&simple(&scene, &scene.root).await), DISABLED);
    let told = scene.tried(&scene.root, info, &[]).await;
    assert_eq!((told.status.as_u16(), told.code().as_deref()), (404, Some("FeatureDisabled")));
    believed(&scene, &issuer, &old).await;
    assert_eq!(enable(&scene).await, issuer);
    believed(&scene, &issuer, &old).await;

    let nobody = scene.user("nobody", None).await;
    for operation in ["EnableOutboundWebIdentityFederation", info, disable] {
        let refused = scene.refused(&nobody, operation, &[]).await;
        assert!(refused.contains(&format!("not authorized to perform: iam:{operation}")), "{refused}");
    }
    let elsewhere = format!("{SERVER}/outbound-identity/01234567-89ab-4cde-8f01-23456789abcd");
    assert_ne!(elsewhere, issuer);
    for document in ["jwks.json", "openid-configuration"] {
        assert_eq!(public(&scene, &elsewhere, document).await.status, 404);
        let path = issuer.strip_prefix(SERVER).unwrap();
        let post = Request::new(Method::POST, &format!("{path}/.well-known/{document}"));
        assert_eq!(scene.world.send(&post).await.status, 405);
    }
}

#[tokio::test]
async fn a_token_tells_who_asked_and_both_algorithms_verify() {
    let scene = Scene::new().await;
    let issuer = enable(&scene).await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let mut tagged = input(&[("UserName", "ann")]);
    tagged.push("Tags", tags(&[("team", "blue")]));
    assert_eq!(scene.world.call(&scene.root, "iam", "TagUser", tagged).await.status, 200);
    for algorithm in ["RS256", "ES384"] {
        let more = [("Tags", tags(&[("job", "1")])), ("DurationSeconds", Document::Integer(60))];
        let answer = ask(&scene, &ann, wanted(&["app"], algorithm, &more)).await;
        assert_eq!(answer.element("Expiration").unwrap(), "2026-11-24T00:01:00Z");
        let claims = believed(&scene, &issuer, &token(&answer)).await;
        let now = scene.world.now().seconds();
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!("app"), &json!(user_arn("ann"))));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 60)));
        let own = json!({
            "aws_account": "123456789012",
            "source_region": "us-east-1",
            "principal_id": user_arn("ann"),
            "principal_tags": { "team": "blue" },
            "request_tags": { "job": "1" },
        });
        assert_eq!(claims[OWN], own);
    }
    let (one, two) = (
        token(&simple(&scene, &ann).await),
        token(&ask(&scene, &ann, wanted(&["a", "b"], "RS256", &[])).await),
    );
    let (one, two) = (believed(&scene, &issuer, &one).await, believed(&scene, &issuer, &two).await);
    assert_eq!(two["aud"], json!(["a", "b"]));
    assert_ne!(one["jti"], two["jti"]);
    assert_eq!(one["exp"].as_i64().unwrap() - one["iat"].as_i64().unwrap(), 300);
    let root = token(&simple(&scene, &scene.root).await);
    let root = believed(&scene, &issuer, &root).await;
    assert_eq!(root["sub"], "arn:aws:iam::123456789012:root");
}

#[tokio::test]
async fn a_sessions_token_is_its_roles_and_ends_no_later_than_the_session() {
    let scene = Scene::new().await;
    let issuer = enable(&scene).await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, Some(ALLOW_ALL)).await;
    let mut tagged = input(&[("RoleName", "r")]);
    tagged.push("Tags", tags(&[("team", "blue"), ("kind", "role")]));
    assert_eq!(scene.world.call(&scene.root, "iam", "TagRole", tagged).await.status, 200);
    let mut asked = input(&[]);
    asked.push("DurationSeconds", Document::Integer(900));
    asked.push("Tags", tags(&[("Team", "red")]));
    let session = credentials(&scene.assume(&ann, "r", asked).await);
    let claims = believed(&scene, &issuer, &token(&simple(&scene, &session).await)).await;
    assert_eq!(claims["sub"], role_arn("r"));
    assert_eq!(claims[OWN]["principal_tags"], json!({ "Team": "red", "kind": "role" }));

    let lasting = |seconds| wanted(&["app"], "RS256", &[("DurationSeconds", Document::Integer(seconds))]);
    assert_eq!(ask(&scene, &session, lasting(900)).await.status, 200);
    let refused = refusal(&ask(&scene, &session, lasting(901)).await);
    assert_eq!(
        refused,
        "SessionDurationEscalationException: The requested token duration would extend the session beyond its \
         original expiration time."
    );
    scene.world.clock.advance_seconds(601);
    let late = simple(&scene, &session).await;
    assert_eq!(late.code().as_deref(), Some("SessionDurationEscalationException"));
    assert_eq!(ask(&scene, &session, lasting(299)).await.status, 200);
}

#[tokio::test]
async fn a_functions_token_names_the_function() {
    let scene = Scene::new().await;
    let issuer = enable(&scene).await;
    scene.role("exec", r#"{"Service":"iam.amazonaws.com"}"#, Some(ALLOW_ALL)).await;
    let sessions = scene.env.sessions().unwrap();
    let function = Arn::regional(scene.world.scope(), "lambda", "function:f");
    let request = SessionRequest {
        role: sessions.role(&Arn::parse(&role_arn("exec")).unwrap()).unwrap().unwrap(),
        session_name: "f".to_owned(),
        duration_s: 900,
        policies: None,
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        bound_to: None,
        source_function: Some(function.clone()),
    };
    let made = sessions.mint_for_service(request, &function, scene.world.now()).await.unwrap();
    let session = Credentials {
        access_key_id: made.access_key_id,
        secret: made.secret_access_key,
        session_token: Some(made.session_token.expose().clone()),
        caller: None,
    };
    let claims = believed(&scene, &issuer, &token(&simple(&scene, &session).await)).await;
    assert_eq!(claims[OWN]["lambda_source_function_arn"], function.as_str());
}

#[tokio::test]
async fn policies_decide_for_whom_how_and_for_how_long() {
    let scene = Scene::new().await;
    enable(&scene).await;
    let statement = |action: &str, condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*","Condition":{{{condition}}}}}}}"#
        )
    };
    let get = "sts:GetWebIdentityToken";
    let nobody = scene.user("nobody", None).await;
    let refused = refusal(&simple(&scene, &nobody).await);
    assert!(refused.starts_with("AccessDenied: ") && refused.contains(get), "{refused}");

    let limited = statement(
        get,
        r#""ForAllValues:StringEquals":{"sts:IdentityTokenAudience":"app"},"NumericLessThanEquals":{"sts:DurationSeconds":"300"},"StringEquals":{"sts:SigningAlgorithm":"ES384"}"#,
    );
    let ann = scene.user("ann", Some(&limited)).await;
    let lasting = |seconds| [("DurationSeconds", Document::Integer(seconds))];
    let job = [("Tags", tags(&[("job", "1")]))];
    for (wanted, allowed) in [
        (wanted(&["app"], "ES384", &[]), true),
        (wanted(&["app"], "ES384", &lasting(300)), true),
        (wanted(&["app"], "ES384", &lasting(301)), false),
        (wanted(&["app"], "RS256", &[]), false),
        (wanted(&["other"], "ES384", &[]), false),
        (wanted(&["app", "other"], "ES384", &[]), false),
        (wanted(&["app"], "ES384", &job), false),
    ] {
        let answer = ask(&scene, &ann, wanted).await;
        let expected = if allowed { None } else { Some("AccessDenied") };
        assert_eq!(answer.code().as_deref(), expected, "{}", answer.text());
    }
    let tagging = statement("sts:TagGetWebIdentityToken", r#""StringEquals":{"aws:RequestTag/job":"1"}"#);
    scene.put_user_policy("ann", "tagging", &tagging).await;
    assert_eq!(ask(&scene, &ann, wanted(&["app"], "ES384", &job)).await.status, 200);
    let other = [("Tags", tags(&[("job", "2")]))];
    assert_eq!(ask(&scene, &ann, wanted(&["app"], "ES384", &other)).await.status, 403);
}

#[tokio::test]
async fn malformed_and_oversized_requests_are_refused() {
    let scene = Scene::new().await;
    enable(&scene).await;
    for algorithm in ["HS256", "rs256", "ES256", "none "] {
        let refused = refusal(&ask(&scene, &scene.root, wanted(&["app"], algorithm, &[])).await);
        assert_eq!(refused, "ValidationError: SigningAlgorithm must be RS256 or ES384.", "{algorithm}");
    }
    let seconds = |n| [("DurationSeconds", Document::Integer(n))];
    for wanted in [
        wanted(&["app"], "none", &[]),
        wanted(&[], "RS256", &[]),
        wanted(&[""], "RS256", &[]),
        wanted(&["app"; 11], "RS256", &[]),
        wanted(&[&"a".repeat(1_001)], "RS256", &[]),
        wanted(&["app"], "RS256", &seconds(59)),
        wanted(&["app"], "RS256", &seconds(3_601)),
        wanted(&["app"], "RS256", &[("Tags", tags(&[("a", "1"), ("A", "2")]))]),
        wanted(&["app"], "RS256", &[("Tags", tags(&[("aws:x", "1")]))]),
    ] {
        let refused = refusal(&ask(&scene, &scene.root, wanted).await);
        assert!(refused.starts_with("ValidationError: "), "{refused}");
    }
    let long = "v".repeat(256);
    let names: Vec<String> = (0..50).map(|n| format!("tag-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let refused =
        refusal(&ask(&scene, &scene.root, wanted(&["app"], "RS256", &[("Tags", tags(&many))])).await);
    assert!(refused.starts_with("JWTPayloadSizeExceededException: "), "{refused}");
}

#[tokio::test]
async fn who_is_not_a_user_or_role_gets_no_token() {
    let scene = Scene::new().await;
    enable(&scene).await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let session = credentials(&scene.sts(&ann, "GetSessionToken", &[]).await);
    let federated = credentials(
        &scene.sts(&ann, "GetFederationToken", &[("Name", "guest"), ("Policy", ALLOW_ALL)]).await,
    );
    for who in [&session, &federated] {
        let refused = refusal(&simple(&scene, who).await);
        assert_eq!(refused, "AccessDenied: Cannot call GetWebIdentityToken with session credentials");
    }
    let unsigned =
        scene.world.call_unsigned("sts", "GetWebIdentityToken", wanted(&["app"], "RS256", &[])).await;
    assert_eq!(unsigned.status, 403);
    // A user who was deleted, an hour before the key is forgotten anywhere.
    let key = [("UserName", "ann"), ("AccessKeyId", ann.access_key_id.as_str())];
    scene.iam(&scene.root, "DeleteAccessKey", &key).await;
    assert_eq!(simple(&scene, &ann).await.status, 403);
}

/// Finds the same keys for every issuer.
#[derive(Debug, Default)]
struct Everyones(Mutex<IssuerKeySet>);

impl IssuerKeys for Everyones {
    fn keys<'a>(
        &'a self,
        _issuer: &'a str,
        _account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<IssuerKeySet>, Unreachable>> {
        Box::pin(std::future::ready(Ok(Some(self.0.lock().unwrap().clone()))))
    }
}

#[tokio::test]
async fn a_token_assumes_no_role_here_even_of_a_registered_provider_whose_keys_are_known() {
    let keys = Arc::new(Everyones::default());
    let scene = Scene::with_issuers(Arc::clone(&keys) as Arc<dyn IssuerKeys>).await;
    let issuer = enable(&scene).await;
    *keys.0.lock().unwrap() =
        read_key_set(public(&scene, &issuer, "jwks.json").await.text().as_bytes()).unwrap();
    let mut provider = input(&[("Url", &issuer)]);
    provider.push("ClientIDList", Document::List(vec!["app".into()]));
    let made = scene.world.call(&scene.root, "iam", "CreateOpenIDConnectProvider", provider).await;
    let arn = made.element("OpenIDConnectProviderArn").unwrap();
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Federated":"{arn}"}},"Action":"sts:AssumeRoleWithWebIdentity"}}}}"#
    );
    scene.iam(&scene.root, "CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &trust)]).await;
    let token = token(&simple(&scene, &scene.root).await);
    let members =
        [("RoleArn", role_arn("r")), ("RoleSessionName", "session".to_owned()), ("WebIdentityToken", token)];
    let members: Vec<(&str, &str)> = members.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = refusal(&scene.unsigned("AssumeRoleWithWebIdentity", &members).await);
    let text = format!("InvalidIdentityToken: No OpenIDConnect provider found in your account for {issuer}");
    assert_eq!(refused, text);
}

#[tokio::test]
async fn what_is_signed_cannot_be_changed_and_the_token_reaches_no_record() {
    let scene = Scene::new().await;
    let issuer = enable(&scene).await;
    let token = token(&simple(&scene, &scene.root).await);
    let signature = token.rsplit('.').next().unwrap();
    for record in scene.world.audit.records() {
        assert!(!format!("{record:?}").contains(signature));
    }
    let keys = read_key_set(public(&scene, &issuer, "jwks.json").await.text().as_bytes()).unwrap();
    let found = |kid: &str| keys.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone());
    let (rest, _) = token.rsplit_once('.').unwrap();
    let other = simple(&scene, &scene.root).await.element("WebIdentityToken").unwrap();
    let forged = format!("{rest}.{}", other.rsplit('.').next().unwrap());
    assert_eq!(verify(&forged, found), Err(InvalidToken::BadSignature));
    // Nothing private is published.
    let published = public(&scene, &issuer, "jwks.json").await.text();
    for private in ["\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\""] {
        assert!(!published.contains(private), "{published}");
    }
}
