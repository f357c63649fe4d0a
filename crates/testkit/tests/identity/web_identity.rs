//! `AssumeRoleWithWebIdentity`: which tokens are believed, and what they make of whom.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_jose::{SigningKey, VerifyingKey};
use casemate_kernel::BoxFuture;
use casemate_names::{AccountId, Arn};
use casemate_schema::Document;
use casemate_sts::{IssuerKeySet, IssuerKeys, Unreachable};
use casemate_testkit::Response;
use serde_json::{Map, Value, json};

use crate::scene::{ALLOW_ALL, Scene, credentials, input, refusal, role_arn};

const ISSUER: &str = "https://idp.example.com/realm";
const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/idp.example.com/realm";

/// An issuer of whose tokens AWS knows more claims.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

#[derive(Debug, Default)]
struct Keys {
    keys: IssuerKeySet,
    broken: AtomicBool,
}

impl IssuerKeys for Keys {
    fn keys<'a>(
        &'a self,
        issuer: &'a str,
        _account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<IssuerKeySet>, Unreachable>> {
        let found =
            if self.broken.load(Ordering::Relaxed) { Err(Unreachable) } else { Ok(self.keys.clone()) };
        Box::pin(std::future::ready(found.map(|keys| [ISSUER, GITHUB].contains(&issuer).then_some(keys))))
    }
}

struct Idp {
    scene: Scene,
    key: SigningKey,
    keys: Arc<Keys>,
}

fn trust_of(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]{condition}}}}}"#
    )
}

/// The usual conditions of such a trust policy.
const FOR_ANN: &str =
    r#","Condition":{"StringEquals":{"idp.example.com/realm:aud":"app","idp.example.com/realm:sub":"ann"}}"#;

impl Idp {
    async fn new() -> Self {
        let key = SigningKey::generate("key").unwrap();
        let verifying = Arc::new(VerifyingKey::from_jwk(&key.jwk()).unwrap());
        let keys =
            Arc::new(Keys { keys: vec![("key".to_owned(), verifying)], broken: AtomicBool::new(false) });
        let scene = Scene::with_issuers(Arc::clone(&keys) as Arc<dyn IssuerKeys>).await;
        let mut members = input(&[("Url", ISSUER)]);
        members.push("ClientIDList", Document::List(vec!["app".into()]));
        let made = scene.world.call(&scene.root, "iam", "CreateOpenIDConnectProvider", members).await;
        assert_eq!(made.status, 200, "{}", made.text());
        let idp = Self { scene, key, keys };
        idp.role("r", FOR_ANN, ALLOW_ALL).await;
        idp
    }

    async fn role(&self, name: &str, condition: &str, policy: &str) {
        let trust = trust_of(condition);
        let members = [("RoleName", name), ("AssumeRolePolicyDocument", trust.as_str())];
        self.scene.iam(&self.scene.root, "CreateRole", &members).await;
        let members = [("RoleName", name), ("PolicyName", "inline"), ("PolicyDocument", policy)];
        self.scene.iam(&self.scene.root, "PutRolePolicy", &members).await;
    }

    fn claims(&self, more: &[(&str, Value)]) -> Map<String, Value> {
        let now = self.scene.world.now().seconds();
        let base = json!({ "iss": ISSUER, "aud": "app", "sub": "ann", "iat": now, "exp": now + 600 });
        let mut claims = base.as_object().unwrap().clone();
        for (name, value) in more {
            if value.is_null() {
                claims.remove(*name);
            } else {
                claims.insert((*name).to_owned(), value.clone());
            }
        }
        claims
    }

    fn token(&self, more: &[(&str, Value)]) -> String {
        self.key.sign(&self.claims(more)).unwrap()
    }

    async fn assume(&self, role: &str, token: &str) -> Response {
        let arn = role_arn(role);
        let members = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "ann-session"),
            ("WebIdentityToken", token),
            ("DurationSeconds", "900"),
        ];
        self.scene.unsigned("AssumeRoleWithWebIdentity", &members).await
    }

    async fn refused(&self, token: &str) -> String {
        refusal(&self.assume("r", token).await)
    }
}

#[tokio::test]
async fn a_token_of_a_registered_provider_becomes_a_session_of_a_role_that_trusts_it() {
    let idp = Idp::new().await;
    let answer = idp.assume("r", &idp.token(&[])).await;
    let session = credentials(&answer);
    assert_eq!(answer.element("SubjectFromWebIdentityToken").unwrap(), "ann");
    assert_eq!(answer.element("Audience").unwrap(), "app");
    assert_eq!(answer.element("Provider").unwrap(), ISSUER);
    assert_eq!(answer.element("Expiration").unwrap(), "2026-11-24T00:15:00Z");
    let me = idp.scene.whoami(&session).await;
    assert_eq!(me.element("Arn").unwrap(), "arn:aws:sts::123456789012:assumed-role/r/ann-session");
    let record = idp.scene.world.last_record();
    assert_eq!(record.access_key_id.as_deref(), Some(session.access_key_id.as_str()));
    idp.scene.world.clock.advance_seconds(900);
    assert_eq!(idp.scene.whoami(&session).await.code().unwrap(), "ExpiredToken");
}

/// Users whose IAM names are their subjects at the provider, each asking about itself: the minimal policy says so, with the
/// provider's key as variable, and keeps them apart.
#[tokio::test]
async fn the_subject_is_a_variable_of_the_minimal_policy() {
    const TO_ALL: &str = r#","Condition":{"StringEquals":{"idp.example.com/realm:aud":"app"}}"#;
    let idp = Idp::new().await;
    idp.role("people", TO_ALL, ALLOW_ALL).await;
    for name in ["annabel", "benjamin"] {
        idp.scene.user(name, None).await;
        let session = credentials(&idp.assume("people", &idp.token(&[("sub", json!(name))])).await);
        let about = idp.scene.tried(&session, "GetUser", &[("UserName", name)]).await;
        assert_eq!(about.status, 200, "{}", about.text());
    }
    let kernel = &idp.scene.world.kernel;
    let id = kernel.principal_id(&Arn::parse(&role_arn("people")).unwrap()).unwrap().unwrap();
    let record = serde_json::to_value(kernel.recorder().recorded(&id).unwrap()).unwrap();
    let record: casemate_minimise::Recorded = serde_json::from_value(record).unwrap();
    let current = [casemate_minimise::Document::parse("inline", ALLOW_ALL).unwrap()];
    let outcome = casemate_minimise::minimise(&record, &current).unwrap();
    assert!(outcome.certificate.holds(), "{:#?}", outcome.certificate);
    let made = outcome.documents[0].json().to_string();
    assert!(made.contains("arn:aws:iam::123456789012:user/${idp.example.com/realm:sub}"), "{made}");

    let members = [("RoleName", "people"), ("PolicyName", "inline"), ("PolicyDocument", made.as_str())];
    idp.scene.iam(&idp.scene.root, "PutRolePolicy", &members).await;
    let session = credentials(&idp.assume("people", &idp.token(&[("sub", json!("annabel"))])).await);
    for (name, status) in [("annabel", 200), ("benjamin", 403)] {
        assert_eq!(
            idp.scene.tried(&session, "GetUser", &[("UserName", name)]).await.status,
            status,
            "{name}"
        );
    }
}

#[tokio::test]
async fn tokens_are_for_their_time_only() {
    let idp = Idp::new().await;
    let now = idp.scene.world.now().seconds();
    let expired = idp.refused(&idp.token(&[("exp", json!(now))])).await;
    assert_eq!(
        expired,
        format!(
            "ExpiredTokenException: Token expired: current date/time {now} must be before the expiration date/time{now}"
        )
    );
    for claim in ["nbf", "iat"] {
        let early = idp.refused(&idp.token(&[(claim, json!(now + 301))])).await;
        assert_eq!(early, "InvalidIdentityToken: The token is not valid yet", "{claim}");
    }
    for claim in ["exp", "iat"] {
        let missing = idp.refused(&idp.token(&[(claim, Value::Null)])).await;
        assert_eq!(missing, format!("InvalidIdentityToken: Missing a required claim: {claim}"));
    }
    for odd in [json!("soon"), json!(-1), json!(1.5e16)] {
        let refused = idp.refused(&idp.token(&[("nbf", odd.clone())])).await;
        assert_eq!(refused, "InvalidIdentityToken: The claim nbf is not a time", "{odd}");
    }
}

#[tokio::test]
async fn tokens_are_for_one_of_the_providers_clients() {
    let idp = Idp::new().await;
    for aud in [json!("other"), json!(["app", "other"]), json!([]), json!(7), Value::Null] {
        let refused = idp.refused(&idp.token(&[("aud", aud.clone())])).await;
        assert_eq!(refused, "InvalidIdentityToken: Incorrect token audience", "{aud}");
    }
    let foreign = idp.refused(&idp.token(&[("azp", json!("other"))])).await;
    assert_eq!(foreign, "InvalidIdentityToken: Incorrect token audience");
    assert_eq!(idp.assume("r", &idp.token(&[("aud", json!(["app"]))])).await.status, 200);
    let both = idp.token(&[("aud", json!(["app", "other"])), ("azp", json!("app"))]);
    assert_eq!(idp.assume("r", &both).await.status, 200);
    let members = [("OpenIDConnectProviderArn", PROVIDER), ("ClientID", "app")];
    idp.scene.iam(&idp.scene.root, "RemoveClientIDFromOpenIDConnectProvider", &members).await;
    let refused = idp.refused(&idp.token(&[])).await;
    assert_eq!(refused, "InvalidIdentityToken: Incorrect token audience", "at once");
}

fn forged(header: &Value, claims: &Map<String, Value>, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let claims = Value::Object(claims.clone()).to_string();
    format!("{}.{}.{}", part(header.to_string().as_bytes()), part(claims.as_bytes()), part(signature))
}

#[tokio::test]
async fn only_the_providers_keys_sign_and_only_in_one_way() {
    let idp = Idp::new().await;
    let claims = idp.claims(&[]);
    let good = idp.token(&[]);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let evil = Value::Object(idp.claims(&[("sub", json!("admin"))])).to_string();
    let header = head.split('.').next().unwrap();
    let tampered = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(evil));
    assert_eq!(
        idp.refused(&tampered).await,
        "InvalidIdentityToken: The signature of the token could not be verified"
    );
    let stranger = SigningKey::generate("key").unwrap().sign(&claims).unwrap();
    assert_eq!(
        idp.refused(&stranger).await,
        "InvalidIdentityToken: The signature of the token could not be verified"
    );

    // HMAC with the public key as its secret, and no signature at all.
    let public = serde_json::to_vec(&idp.key.jwk()).unwrap();
    let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public);
    let header = json!({ "alg": "HS256", "kid": "key" });
    let unsigned = forged(&header, &claims, b"");
    let mac = aws_lc_rs::hmac::sign(&hmac_key, unsigned.rsplit_once('.').unwrap().0.as_bytes());
    for token in [
        forged(&header, &claims, mac.as_ref()),
        forged(&json!({ "alg": "none", "kid": "key" }), &claims, b""),
        forged(&json!({ "alg": "RS256", "kid": "key", "jwk": idp.key.jwk() }), &claims, b"x"),
    ] {
        let refused = idp.refused(&token).await;
        assert_eq!(refused, "InvalidIdentityToken: The token is signed in a way that is not supported");
    }
    let unknown = SigningKey::generate("other").unwrap().sign(&claims).unwrap();
    assert!(
        idp.refused(&unknown).await.starts_with("InvalidIdentityToken: Couldn't retrieve verification key")
    );
    for token in ["x".repeat(20), "aaaa.bbbb.cccc".to_owned(), "x".repeat(17_000)] {
        assert!(idp.refused(&token).await.contains("is not a valid JWT"), "{}", token.len());
    }
}

#[tokio::test]
async fn issuers_that_are_not_registered_in_the_roles_account_are_unknown() {
    let idp = Idp::new().await;
    for issuer in
        ["https://evil.example.com", "http://idp.example.com/realm", "https://idp.example.com/realm/", ""]
    {
        let refused = idp.refused(&idp.token(&[("iss", json!(issuer))])).await;
        assert_eq!(
            refused,
            format!("InvalidIdentityToken: No OpenIDConnect provider found in your account for {issuer}")
        );
    }
    let elsewhere = [
        ("RoleArn", "arn:aws:iam::999999999999:role/r"),
        ("RoleSessionName", "ann-session"),
        ("WebIdentityToken", &idp.token(&[])),
    ];
    let refused = refusal(&idp.scene.unsigned("AssumeRoleWithWebIdentity", &elsewhere).await);
    assert_eq!(
        refused,
        format!("InvalidIdentityToken: No OpenIDConnect provider found in your account for {ISSUER}")
    );
    idp.keys.broken.store(true, Ordering::Relaxed);
    assert!(idp.refused(&idp.token(&[])).await.starts_with("IDPCommunicationError: "));
    idp.keys.broken.store(false, Ordering::Relaxed);
    let members = [("OpenIDConnectProviderArn", PROVIDER)];
    idp.scene.iam(&idp.scene.root, "DeleteOpenIDConnectProvider", &members).await;
    assert!(idp.refused(&idp.token(&[])).await.contains("No OpenIDConnect provider"), "at once");
}

#[tokio::test]
async fn the_trust_policy_decides_who_may_and_says_no_more_than_that() {
    let idp = Idp::new().await;
    let unauthorized = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    assert_eq!(idp.refused(&idp.token(&[("sub", json!("bob"))])).await, unauthorized);
    assert_eq!(refusal(&idp.assume("missing", &idp.token(&[])).await), unauthorized);
    // A role that trusts the account, or everyone under another action, trusts no stranger's token.
    idp.scene.role("plain", r#"{"AWS":"*"}"#, Some(ALLOW_ALL)).await;
    assert_eq!(refusal(&idp.assume("plain", &idp.token(&[])).await), unauthorized);
    let other = trust_of(FOR_ANN).replace("idp.example.com/realm\"", "idp.example.com/other\"");
    let members = [("RoleName", "r"), ("PolicyDocument", other.as_str())];
    idp.scene.iam(&idp.scene.root, "UpdateAssumeRolePolicy", &members).await;
    assert_eq!(idp.refused(&idp.token(&[])).await, unauthorized, "changed trust bites at once");
}

#[tokio::test]
async fn what_the_token_proves_are_condition_keys() {
    let idp = Idp::new().await;
    let amr = r#","Condition":{"ForAnyValue:StringLike":{"idp.example.com/realm:amr":"mfa*"}}"#;
    idp.role("amr", amr, ALLOW_ALL).await;
    assert_eq!(idp.assume("amr", &idp.token(&[("amr", json!(["pwd", "mfa1"]))])).await.status, 200);
    assert_eq!(idp.assume("amr", &idp.token(&[("amr", json!(["pwd"]))])).await.status, 403);
    assert_eq!(idp.assume("amr", &idp.token(&[])).await.status, 403);

    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${idp.example.com/realm:sub}","Condition":{"StringEquals":{"aws:FederatedProvider":"arn:aws:iam::123456789012:oidc-provider/idp.example.com/realm","aws:PrincipalType":"AssumedRole"}}}}"#;
    idp.role("own", "", own).await;
    for user in ["ann", "bob"] {
        idp.scene.iam(&idp.scene.root, "CreateUser", &[("UserName", user)]).await;
    }
    let session = credentials(&idp.assume("own", &idp.token(&[])).await);
    assert_eq!(idp.scene.tried(&session, "GetUser", &[("UserName", "ann")]).await.status, 200);
    assert_eq!(idp.scene.tried(&session, "GetUser", &[("UserName", "bob")]).await.status, 403);
    let star = credentials(&idp.assume("own", &idp.token(&[("sub", json!("*"))])).await);
    assert_eq!(idp.scene.tried(&star, "GetUser", &[("UserName", "ann")]).await.status, 403, "no wildcard");
}

#[tokio::test]
async fn a_claim_of_many_values_needs_a_set_operator_also_if_it_has_one() {
    let idp = Idp::new().await;
    let when = |operator: &str| {
        format!(r#","Condition":{{"{operator}":{{"idp.example.com/realm:amr":"authenticated"}}}}"#)
    };
    for (name, operator, status) in [
        ("plain", "StringLike", 403),
        ("equals", "StringEquals", 403),
        ("unequal", "StringNotEquals", 403),
        ("any", "ForAnyValue:StringLike", 200),
        ("all", "ForAllValues:StringEquals", 200),
    ] {
        idp.role(name, &when(operator), ALLOW_ALL).await;
        for amr in [json!(["authenticated"]), json!("authenticated")] {
            assert_eq!(idp.assume(name, &idp.token(&[("amr", amr)])).await.status, status, "{operator}");
        }
    }
}

/// Lets `claims` beside the usual ones decide who becomes a role of GitHub's users.
async fn deploys(idp: &Idp, role: &str, claims: &[(&str, Value)]) -> u16 {
    let more = [&[("iss", json!(GITHUB))], claims].concat();
    idp.assume(role, &idp.token(&more)).await.status.as_u16()
}

#[tokio::test]
async fn claims_that_aws_lists_for_an_issuer_are_condition_keys() {
    let idp = Idp::new().await;
    let mut members = input(&[("Url", GITHUB)]);
    members.push("ClientIDList", Document::List(vec!["app".into()]));
    let made = idp.scene.world.call(&idp.scene.root, "iam", "CreateOpenIDConnectProvider", members).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let host = "token.actions.githubusercontent.com";
    let provider = format!("arn:aws:iam::123456789012:oidc-provider/{host}");
    let statement = |effect: &str, condition: &str| {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"Federated":"{provider}"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{condition}}}"#
        )
    };
    let own = |claim: &str, value: &str| format!(r#"{{"StringEquals":{{"{host}:{claim}":"{value}"}}}}"#);
    let trusting = |name: &'static str, statements: [String; 2]| {
        let trust = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
        let scene = &idp.scene;
        async move {
            let members = [("RoleName", name), ("AssumeRolePolicyDocument", trust.as_str())];
            scene.iam(&scene.root, "CreateRole", &members).await;
        }
    };
    let never = own("sub", "nobody");
    trusting("by", [statement("Allow", &own("repository", "octo/app")), statement("Deny", &never)]).await;
    trusting("but", [statement("Allow", "{}"), statement("Deny", &own("environment", "prod"))]).await;
    let unlisted = own("head_ref", "main");
    trusting("unlisted", [statement("Allow", &unlisted), statement("Deny", &never)]).await;

    assert_eq!(deploys(&idp, "by", &[("repository", json!("octo/app"))]).await, 200);
    assert_eq!(deploys(&idp, "by", &[("repository", json!("octo/other"))]).await, 403);
    assert_eq!(deploys(&idp, "by", &[]).await, 403);
    assert_eq!(deploys(&idp, "but", &[("environment", json!("test"))]).await, 200);
    assert_eq!(deploys(&idp, "but", &[]).await, 200);
    assert_eq!(deploys(&idp, "but", &[("environment", json!("prod"))]).await, 403, "a deny by a claim");
    assert_eq!(deploys(&idp, "unlisted", &[("head_ref", json!("main"))]).await, 403, "AWS does not list it");
    let token = idp.token(&[("iss", json!(GITHUB)), ("repository", json!(["octo/app"]))]);
    assert_eq!(
        refusal(&idp.assume("by", &token).await),
        "InvalidIdentityToken: The claim repository is not a text"
    );
    // The same claim of another issuer is no key of its own, and none of this one.
    for key in [format!("{host}:repository"), "idp.example.com/realm:repository".to_owned()] {
        let name = if key.starts_with("idp") { "foreign" } else { "borrowed" };
        idp.role(name, &format!(r#","Condition":{{"StringEquals":{{"{key}":"octo/app"}}}}"#), ALLOW_ALL)
            .await;
        let token = idp.token(&[("repository", json!("octo/app"))]);
        assert_eq!(idp.assume(name, &token).await.status, 403, "{key}");
    }
}

#[tokio::test]
async fn whether_the_provider_authorised_the_role_is_unknown() {
    let idp = Idp::new().await;
    for (name, condition) in [
        ("yes", r#","Condition":{"Bool":{"sts:RoleAuthorizedByIdp":"true"}}"#),
        ("no", r#","Condition":{"StringNotEquals":{"sts:RoleAuthorizedByIdp":"true"}}"#),
    ] {
        idp.role(name, condition, ALLOW_ALL).await;
        assert_eq!(idp.assume(name, &idp.token(&[])).await.status, 403, "{condition}");
    }
}

#[tokio::test]
async fn tags_and_source_identity_come_from_the_token() {
    let idp = Idp::new().await;
    let tags = json!({ "principal_tags": { "person": ["bob"] }, "transitive_tag_keys": ["person"] });
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:PrincipalTag/person}","Condition":{"StringEquals":{"aws:SourceIdentity":"ann"}}}}"#;
    idp.role("tagged", "", own).await;
    idp.scene.iam(&idp.scene.root, "CreateUser", &[("UserName", "bob")]).await;
    let source = ("https://aws.amazon.com/source_identity", json!("ann"));
    let token = idp.token(&[("https://aws.amazon.com/tags", tags), source.clone()]);
    let session = credentials(&idp.assume("tagged", &token).await);
    assert_eq!(idp.scene.tried(&session, "GetUser", &[("UserName", "bob")]).await.status, 200);
    let flat = json!({ "person": "bob" });
    let token = idp.token(&[("https://aws.amazon.com/tags/principal_tags", flat), source]);
    let session = credentials(&idp.assume("tagged", &token).await);
    assert_eq!(idp.scene.tried(&session, "GetUser", &[("UserName", "bob")]).await.status, 200);
    for tags in [
        json!("x"),
        json!({ "principal_tags": { "person": "*" } }),
        json!({ "principal_tags": { "person": ["a", "b"] } }),
        json!({ "principal_tags": { "aws:x": "a" } }),
        json!({ "principal_tags": {}, "transitive_tag_keys": ["person"] }),
    ] {
        let refused = idp.refused(&idp.token(&[("https://aws.amazon.com/tags", tags.clone())])).await;
        assert!(refused.starts_with("InvalidIdentityToken: "), "{tags}: {refused}");
    }
    let untagged = trust_of(FOR_ANN).replace("\"sts:TagSession\",", "");
    let members = [("RoleName", "r"), ("PolicyDocument", untagged.as_str())];
    idp.scene.iam(&idp.scene.root, "UpdateAssumeRolePolicy", &members).await;
    let tags = json!({ "principal_tags": { "person": "bob" } });
    let refused = idp.refused(&idp.token(&[("https://aws.amazon.com/tags", tags)])).await;
    assert_eq!(refused, "AccessDenied: Not authorized to perform sts:TagSession");
}

#[tokio::test]
async fn a_role_made_again_while_a_token_is_weighed_is_assumed_by_nobody() {
    let idp = Idp::new().await;
    let token = idp.token(&[]);
    assert_eq!(idp.assume("r", &token).await.status, 200);
    let members = [("RoleName", "r"), ("PolicyName", "inline")];
    idp.scene.iam(&idp.scene.root, "DeleteRolePolicy", &members).await;
    idp.scene.make_again_meanwhile("r", &trust_of(FOR_ANN));
    let refused = idp.refused(&token).await;
    assert!(idp.scene.has_happened());
    assert_eq!(refused, "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity");
    assert_eq!(idp.assume("r", &token).await.status, 200, "the new role trusts ann");
}
