//! `USER_SRP_AUTH`, with a client written from the other side of the equations.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_cognito_idp::{claim_time, srp};
use casemate_testkit::Response;
use crypto_bigint::{
    BoxedUint, NonZero, Odd,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use serde_json::Value;

use crate::scene::{PASSWORD, Scene, Tokens, j, ok, refused, scene, scene_with};

const WRONG: &str = "Incorrect username or password.";

/// N, recovered from the server's own arithmetic: nothing but N divides k·v + g^b - B; written out to stay independent.
const MODULUS: &str = include_str!("modulus.hex");

struct Client {
    params: BoxedMontyParams,
    a: BoxedUint,
    public: String,
}

fn big(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_truncated(bytes, 3072)
}

fn signed(value: &BoxedUint) -> Vec<u8> {
    let all = value.to_be_bytes();
    let bytes: Vec<u8> = all.iter().copied().skip_while(|byte| *byte == 0).collect();
    if bytes.first().is_none_or(|first| first & 0x80 != 0) { [vec![0], bytes].concat() } else { bytes }
}

fn sha(parts: &[&[u8]]) -> Vec<u8> {
    digest::digest(&digest::SHA256, &parts.concat()).as_ref().to_vec()
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() }).unwrap()
}

impl Client {
    fn new() -> Self {
        let modulus = big(&unhex(MODULUS.trim()));
        let params = BoxedMontyParams::new_vartime(Odd::new(modulus).unwrap());
        let a = big(&[0x42; 32]);
        let public = BoxedMontyForm::new(big(&[2]), &params).pow(&a).retrieve();
        Self { public: srp::integer_hex(&public.to_be_bytes()), params, a }
    }

    /// The answer to a challenge.
    fn answer(&self, pool: &str, challenge: &Value, password: &str, time: &str) -> BTreeMap<String, String> {
        let given = |name: &str| challenge["ChallengeParameters"][name].as_str().unwrap().to_owned();
        let pool_name = pool.split_once('_').unwrap().1;
        let (user, block) = (given("USER_ID_FOR_SRP"), given("SECRET_BLOCK"));
        let (salt, server) = (big(&unhex(&given("SALT"))), big(&unhex(&given("SRP_B"))));
        let client = big(&unhex(&self.public));
        let u = big(&sha(&[&signed(&client), &signed(&server)]));
        let inner = sha(&[pool_name.as_bytes(), user.as_bytes(), b":", password.as_bytes()]);
        let x = big(&sha(&[&signed(&salt), &inner]));
        let modulus = NonZero::new(big(&unhex(MODULUS.trim()))).unwrap();
        let k = big(&sha(&[&signed(&modulus), &[2]]));
        let form = |value: &BoxedUint| BoxedMontyForm::new(value.clone(), &self.params);
        let blinded = &form(&k) * &form(&big(&[2])).pow(&x);
        let base = &form(&server) - &blinded;
        // (a + u·x) as an exponent: base^a · (base^u)^x.
        let shared = (&base.pow(&self.a) * &base.pow(&u).pow(&x)).retrieve();
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &signed(&u)), &signed(&shared));
        let key =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()), b"Caldera Derived Key\x01");
        let message =
            [pool_name.as_bytes(), user.as_bytes(), &STANDARD.decode(&block).unwrap(), time.as_bytes()]
                .concat();
        let proof = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.as_ref()[..16]), &message);
        BTreeMap::from([
            ("USERNAME".to_owned(), user),
            ("PASSWORD_CLAIM_SECRET_BLOCK".to_owned(), block),
            ("PASSWORD_CLAIM_SIGNATURE".to_owned(), STANDARD.encode(proof)),
            ("TIMESTAMP".to_owned(), time.to_owned()),
        ])
    }
}

async fn challenge(scene: &Scene, name: &str) -> Value {
    let answer = start(scene, name, &Client::new().public).await;
    let answer = ok(&answer);
    assert_eq!(answer["ChallengeName"], "PASSWORD_VERIFIER");
    answer
}

async fn start(scene: &Scene, name: &str, public: &str) -> Response {
    scene
        .public(
            "InitiateAuth",
            j!({ "ClientId": scene.client, "AuthFlow": "USER_SRP_AUTH",
            "AuthParameters": { "USERNAME": name, "SRP_A": public } }),
        )
        .await
}

async fn respond(scene: &Scene, given: &BTreeMap<String, String>) -> Response {
    scene
        .public(
            "RespondToAuthChallenge",
            j!({ "ClientId": scene.client, "ChallengeName": "PASSWORD_VERIFIER",
            "ChallengeResponses": given }),
        )
        .await
}

fn time(scene: &Scene) -> String {
    claim_time::render(scene.now())
}

async fn hiding() -> Scene {
    scene_with(j!({ "AutoVerifiedAttributes": ["email"] }), j!({ "PreventUserExistenceErrors": "ENABLED" }))
        .await
}

#[tokio::test]
async fn right_password_signs_in_and_the_same_proof_does_not_do_so_twice() {
    let scene = scene().await;
    scene.user("alice").await;
    let asked = challenge(&scene, "alice").await;
    let proof = Client::new().answer(&scene.pool, &asked, PASSWORD, &time(&scene));
    Tokens::of(&ok(&respond(&scene, &proof).await));
    refused(&respond(&scene, &proof).await, "NotAuthorizedException", WRONG);
}

#[tokio::test]
async fn wrong_password_is_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let asked = challenge(&scene, "alice").await;
    let proof = Client::new().answer(&scene.pool, &asked, "Wrong-Horse-1!", &time(&scene));
    refused(&respond(&scene, &proof).await, "NotAuthorizedException", WRONG);
}

#[tokio::test]
async fn degenerate_and_oversize_public_values_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let modulus = MODULUS.trim();
    for public in ["0", modulus, &format!("1{}", "f".repeat(768)), "xyz"] {
        let answer = start(&scene, "alice", public).await;
        assert_eq!(answer.code().as_deref(), Some("InvalidParameterException"), "{public}");
    }
}

#[tokio::test]
async fn padded_day_wrong_weekday_and_stale_times_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    // The world begins on Tuesday the 24th; go to a day of one digit.
    scene.world.clock.advance_seconds(9 * 86_400);
    let right = time(&scene);
    assert!(right.starts_with("Thu Dec 3 "), "{right}");
    let stale = claim_time::render(scene.now().plus_seconds(-301));
    for text in [right.replace("Dec 3", "Dec 03"), right.replace("Thu", "Fri"), stale] {
        let asked = challenge(&scene, "alice").await;
        let proof = Client::new().answer(&scene.pool, &asked, PASSWORD, &text);
        refused(&respond(&scene, &proof).await, "NotAuthorizedException", WRONG);
    }
    let asked = challenge(&scene, "alice").await;
    let proof = Client::new().answer(&scene.pool, &asked, PASSWORD, "2026-12-03T00:00:00Z");
    refused(&respond(&scene, &proof).await, "InvalidParameterException", claim_time::FORMAT_TEXT);
}

#[tokio::test]
async fn missing_and_malformed_parameters_are_named_in_order() {
    let scene = scene().await;
    scene.user("alice").await;
    let asked = challenge(&scene, "alice").await;
    let whole = Client::new().answer(&scene.pool, &asked, PASSWORD, &time(&scene));
    let names = ["USERNAME", "TIMESTAMP", "PASSWORD_CLAIM_SIGNATURE", "PASSWORD_CLAIM_SECRET_BLOCK"];
    let mut given = BTreeMap::new();
    for name in names {
        let text = format!("Missing required parameter {name}");
        refused(&respond(&scene, &given).await, "InvalidParameterException", &text);
        given.insert(name.to_owned(), whole[name].clone());
    }
    let mut bad = whole.clone();
    bad.insert("PASSWORD_CLAIM_SIGNATURE".to_owned(), "!!".to_owned());
    let text = "Invalid PASSWORD_CLAIM_SIGNATURE format. Must be a Base64 string.";
    refused(&respond(&scene, &bad).await, "InvalidParameterException", text);
}

#[tokio::test]
async fn secret_block_of_another_client_pool_or_user_is_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    scene.user("bob").await;
    let asked = challenge(&scene, "alice").await;
    let proof = Client::new().answer(&scene.pool, &asked, PASSWORD, &time(&scene));
    let (other, _) = scene.new_client(j!({})).await;
    let answer = scene
        .public(
            "RespondToAuthChallenge",
            j!({ "ClientId": other, "ChallengeName": "PASSWORD_VERIFIER",
            "ChallengeResponses": proof }),
        )
        .await;
    refused(&answer, "NotAuthorizedException", WRONG);
    let mut as_bob = proof.clone();
    as_bob.insert("USERNAME".to_owned(), "bob".to_owned());
    refused(&respond(&scene, &as_bob).await, "NotAuthorizedException", WRONG);
    let mut tampered = proof.clone();
    let mut block = STANDARD.decode(&proof["PASSWORD_CLAIM_SECRET_BLOCK"]).unwrap();
    block[40] ^= 1;
    tampered.insert("PASSWORD_CLAIM_SECRET_BLOCK".to_owned(), STANDARD.encode(block));
    refused(&respond(&scene, &tampered).await, "NotAuthorizedException", WRONG);
    Tokens::of(&ok(&respond(&scene, &proof).await));
}

#[tokio::test]
async fn expired_challenge_and_made_up_session_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let asked = challenge(&scene, "alice").await;
    let proof = Client::new().answer(&scene.pool, &asked, PASSWORD, &time(&scene));
    let answer = scene
        .public(
            "RespondToAuthChallenge",
            j!({ "ClientId": scene.client, "ChallengeName": "PASSWORD_VERIFIER",
            "ChallengeResponses": proof, "Session": "x".repeat(40) }),
        )
        .await;
    refused(&answer, "NotAuthorizedException", "Invalid session for the user.");
    scene.world.clock.advance_seconds(181);
    let late = Client::new().answer(&scene.pool, &asked, PASSWORD, &time(&scene));
    refused(&respond(&scene, &late).await, "NotAuthorizedException", WRONG);
}

#[tokio::test]
async fn unknown_user_is_named_only_where_existence_is_shown() {
    let shown = scene().await;
    refused(&start(&shown, "nobody", "abc").await, "UserNotFoundException", "User does not exist.");
}

#[tokio::test]
async fn where_existence_is_hidden_an_unknown_user_gets_a_stable_challenge_and_the_generic_refusal() {
    let scene = hiding().await;
    scene.user("alice").await;
    let (first, second) = (challenge(&scene, "nobody").await, challenge(&scene, "nobody").await);
    let other = challenge(&scene, "somebody").await;
    let salt = |answer: &Value| answer["ChallengeParameters"]["SALT"].clone();
    assert_eq!(salt(&first), salt(&second));
    assert_ne!(salt(&first), salt(&other));
    assert_eq!(first["ChallengeParameters"]["USER_ID_FOR_SRP"], "nobody");
    let real = challenge(&scene, "alice").await;
    let keys = |answer: &Value| {
        answer["ChallengeParameters"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&real), keys(&first));
    let proof = Client::new().answer(&scene.pool, &first, PASSWORD, &time(&scene));
    refused(&respond(&scene, &proof).await, "NotAuthorizedException", WRONG);
}

#[tokio::test]
async fn unknown_user_of_an_email_pool_appears_under_a_stable_uuid() {
    let scene =
        scene_with(j!({ "UsernameAttributes": ["email"] }), j!({ "PreventUserExistenceErrors": "ENABLED" }))
            .await;
    let (first, second) = (challenge(&scene, "a@b.co").await, challenge(&scene, "a@b.co").await);
    let id = first["ChallengeParameters"]["USER_ID_FOR_SRP"].as_str().unwrap().to_owned();
    assert_eq!(second["ChallengeParameters"]["USER_ID_FOR_SRP"], id.as_str());
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'));
}

#[tokio::test]
async fn email_pool_signs_in_by_address_and_proves_under_the_sub() {
    let scene =
        scene_with(j!({ "UsernameAttributes": ["email"], "AutoVerifiedAttributes": ["email"] }), j!({}))
            .await;
    let made = scene
        .ok(
            "AdminCreateUser",
            j!({ "UserPoolId": scene.pool, "Username": "a@b.co", "MessageAction": "SUPPRESS" }),
        )
        .await;
    let sub = made["User"]["Username"].as_str().unwrap().to_owned();
    scene
        .ok(
            "AdminSetUserPassword",
            j!({ "UserPoolId": scene.pool, "Username": "a@b.co", "Password": PASSWORD, "Permanent": true }),
        )
        .await;
    let asked = challenge(&scene, "a@b.co").await;
    assert_eq!(asked["ChallengeParameters"]["USER_ID_FOR_SRP"], sub.as_str());
    let proof = Client::new().answer(&scene.pool, &asked, PASSWORD, &time(&scene));
    Tokens::of(&ok(&respond(&scene, &proof).await));
}

#[tokio::test]
async fn client_without_the_flow_is_refused() {
    let scene = scene_with(j!({}), j!({ "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"] })).await;
    scene.user("alice").await;
    let text = "USER_SRP_AUTH is not enabled for the client.";
    refused(&start(&scene, "alice", "abc").await, "InvalidParameterException", text);
}
