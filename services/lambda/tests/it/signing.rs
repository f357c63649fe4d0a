//! Code signing: `CreateCodeSigningConfig`, `GetCodeSigningConfig`, `UpdateCodeSigningConfig`, `DeleteCodeSigningConfig`,
//! `ListCodeSigningConfigs`, `ListFunctionsByCodeSigningConfig`, `PutFunctionCodeSigningConfig`,
//! `GetFunctionCodeSigningConfig`, `DeleteFunctionCodeSigningConfig`.

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_lambda::{key_file, public_key, sign};
use casemate_schema::Document;
use casemate_testkit::Response;

use crate::{
    configuration::{named, python, with},
    support::{ALL, Bench, archive, bench, text},
};

const PROFILE: &str = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/ours/0123456789";
const OTHER: &str = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/other/0123456789";

/// An Ed25519 key in PKCS#8 (RFC 8410).
fn key(byte: u8) -> Vec<u8> {
    let mut pkcs8 =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    pkcs8.extend([byte; 32]);
    pkcs8
}

#[expect(clippy::unreachable, reason = "a test")]
fn zip(content: &str) -> Vec<u8> {
    let Document::Blob(bytes) = archive(&[("app.py", content)]) else { unreachable!() };
    bytes.to_vec()
}

fn signed(content: &str, profile: &str, by: u8) -> Document {
    Document::Blob(sign(&zip(content), profile, &key(by)).unwrap().into())
}

fn register(bench: &Bench, profile: &str, by: u8) {
    let file = bench.signing_profiles.join(key_file(profile).unwrap());
    std::fs::write(file, STANDARD.encode(public_key(&key(by)).unwrap())).unwrap();
}

fn config(policy: &str, publishers: &[&str]) -> Document {
    let arns = Document::List(publishers.iter().map(|arn| text(arn)).collect());
    Document::structure([
        ("AllowedPublishers", Document::structure([("SigningProfileVersionArns", arns)])),
        ("CodeSigningPolicies", Document::structure([("UntrustedArtifactOnDeployment", text(policy))])),
    ])
}

/// A configuration; answers its ARN.
async fn made(bench: &Bench, policy: &str) -> String {
    let answer = bench.done("CreateCodeSigningConfig", config(policy, &[PROFILE])).await;
    answer["CodeSigningConfig"]["CodeSigningConfigArn"].as_str().unwrap().to_owned()
}

fn of(arn: &str) -> Document {
    Document::structure([("CodeSigningConfigArn", text(arn))])
}

fn function(name: &str, code: Document, config: &str) -> Document {
    let code = Document::structure([("ZipFile", code)]);
    with(python(name), &[("Code", code), ("CodeSigningConfigArn", text(config))])
}

fn update(code: Document) -> Document {
    with(named("f"), &[("ZipFile", code)])
}

fn refused(answer: &Response, code: &str, expected: &str) {
    assert_eq!(answer.code().as_deref(), Some(code), "{}", answer.text());
    assert!(answer.message().contains(expected), "{}", answer.message());
}

#[tokio::test]
async fn configurations_are_kept_given_to_functions_and_removed_when_none_has_them() {
    let bench = bench();
    let answer = bench.call("CreateCodeSigningConfig", config("Enforce", &[PROFILE])).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let shown = answer.json()["CodeSigningConfig"].clone();
    let arn = shown["CodeSigningConfigArn"].as_str().unwrap();
    assert!(arn.ends_with(shown["CodeSigningConfigId"].as_str().unwrap()), "{shown}");
    assert_eq!(shown["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"], "Enforce");
    assert_eq!(bench.done("GetCodeSigningConfig", of(arn)).await["CodeSigningConfig"], shown);
    let changed = bench.done("UpdateCodeSigningConfig", with(of(arn), &[("Description", text("d"))])).await;
    assert_eq!(changed["CodeSigningConfig"]["Description"], "d");
    assert_eq!(changed["CodeSigningConfig"]["AllowedPublishers"], shown["AllowedPublishers"]);
    let listed = bench.done("ListCodeSigningConfigs", Document::empty()).await;
    assert_eq!(listed["CodeSigningConfigs"].as_array().unwrap().len(), 1);

    for name in ["f", "g"] {
        bench.done("CreateFunction", python(name)).await;
    }
    assert_eq!(bench.done("GetFunctionCodeSigningConfig", named("f")).await["CodeSigningConfigArn"], "");
    bench.done("PutFunctionCodeSigningConfig", with(of(arn), &[("FunctionName", text("f"))])).await;
    let given = bench.done("GetFunctionCodeSigningConfig", named("f")).await;
    assert_eq!((&given["CodeSigningConfigArn"], &given["FunctionName"]), (&arn.into(), &"f".into()));
    let functions = bench.done("ListFunctionsByCodeSigningConfig", of(arn)).await;
    assert_eq!(
        functions["FunctionArns"],
        serde_json::json!(["arn:aws:lambda:us-east-1:123456789012:function:f"])
    );
    let in_use = bench.call("DeleteCodeSigningConfig", of(arn)).await;
    assert_eq!(in_use.status, 409, "{}", in_use.text());
    bench.done("DeleteFunctionCodeSigningConfig", named("f")).await;
    assert_eq!(bench.call("DeleteCodeSigningConfig", of(arn)).await.status, 204);

    for operation in ["GetCodeSigningConfig", "UpdateCodeSigningConfig", "DeleteCodeSigningConfig"] {
        let answer = bench.call(operation, of(arn)).await;
        refused(
            &answer,
            "ResourceNotFoundException",
            &format!("The Lambda code signing configuration {arn} can not"),
        );
    }
    let answer =
        bench.call("PutFunctionCodeSigningConfig", with(of(arn), &[("FunctionName", text("f"))])).await;
    assert_eq!(answer.status, 404);
    refused(&answer, "CodeSigningConfigNotFoundException", "The code signing configuration cannot be found.");
    let answer = bench.call("CreateFunction", function("h", archive(&[("app.py", "")]), arn)).await;
    refused(&answer, "CodeSigningConfigNotFoundException", "The code signing configuration cannot be found.");
    for wrong in
        ["arn:aws:iam::123456789012:role/r", "arn:aws:signer:us-east-1:123456789012:/signing-profiles/../x"]
    {
        let answer = bench.call("CreateCodeSigningConfig", config("Warn", &[wrong])).await;
        refused(&answer, "InvalidParameterValueException", "is not the ARN of a signing profile version");
    }
}

#[tokio::test]
async fn where_it_is_enforced_only_packages_of_allowed_publishers_are_taken() {
    let bench = bench();
    let arn = made(&bench, "Enforce").await;
    let untrusted = "CodeVerificationFailedException";
    let plain = || Document::Blob(zip("x = 1").into());
    refused(&bench.call("CreateFunction", function("f", plain(), &arn)).await, untrusted, "it is not signed");
    // Nobody registered the profile yet.
    let create = function("f", signed("x = 1", PROFILE, 1), &arn);
    refused(&bench.call("CreateFunction", create.clone()).await, untrusted, "is not known here");
    register(&bench, PROFILE, 1);
    register(&bench, OTHER, 2);
    bench.done("CreateFunction", create).await;
    let before = bench.done("GetFunctionConfiguration", named("f")).await;

    let other = signed("x = 2", OTHER, 2);
    refused(
        &bench.call("UpdateFunctionCode", update(other)).await,
        untrusted,
        "not among the allowed publishers",
    );
    refused(&bench.call("UpdateFunctionCode", update(plain())).await, untrusted, "it is not signed");
    // Signed by another key in the name of the allowed profile.
    let forged = bench.call("UpdateFunctionCode", update(signed("x = 2", PROFILE, 2))).await;
    refused(&forged, "InvalidCodeSignatureException", "the signature is not the profile's");
    assert_eq!(bench.done("GetFunctionConfiguration", named("f")).await, before);
    bench.done("UpdateFunctionCode", update(signed("x = 2", PROFILE, 1))).await;
    // A profile that is taken away signs nothing any more.
    std::fs::remove_file(bench.signing_profiles.join(key_file(PROFILE).unwrap())).unwrap();
    let revoked = bench.call("UpdateFunctionCode", update(signed("x = 3", PROFILE, 1))).await;
    refused(&revoked, untrusted, "is not known here");
    // Without configuration everything is taken; a new function of the same name has none.
    bench.done("DeleteFunction", named("f")).await;
    bench.done("CreateFunction", python("f")).await;
    bench.done("UpdateFunctionCode", update(plain())).await;
}

#[tokio::test]
async fn layers_are_judged_as_code_is() {
    let bench = bench();
    let arn = made(&bench, "Enforce").await;
    register(&bench, PROFILE, 1);
    let layer = |name: &str, code: Document| {
        let content = Document::structure([("ZipFile", code)]);
        Document::structure([("LayerName", text(name)), ("Content", content)])
    };
    bench.done("PublishLayerVersion", layer("good", signed("x = 1", PROFILE, 1))).await;
    bench.done("PublishLayerVersion", layer("bad", Document::Blob(zip("x = 1").into()))).await;
    let named_layers = |name: &str| {
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:layer:{name}:1");
        ("Layers", Document::List(vec![text(&arn)]))
    };
    let create = function("f", signed("x = 1", PROFILE, 1), &arn);
    let bad = bench.call("CreateFunction", with(create.clone(), &[named_layers("bad")])).await;
    refused(&bad, "CodeVerificationFailedException", ":layer:bad:1: it is not signed");
    bench.done("CreateFunction", with(create, &[named_layers("good")])).await;
    let bad = bench.call("UpdateFunctionConfiguration", with(named("f"), &[named_layers("bad")])).await;
    refused(&bad, "CodeVerificationFailedException", ":layer:bad:1: it is not signed");
    bench.done("UpdateFunctionConfiguration", with(named("f"), &[named_layers("good")])).await;
}

#[tokio::test]
async fn where_it_only_warns_others_are_recorded_and_broken_signatures_are_still_refused() {
    let bench = bench();
    let arn = made(&bench, "Warn").await;
    register(&bench, PROFILE, 1);
    bench.done("CreateFunction", function("f", Document::Blob(zip("x = 1").into()), &arn)).await;
    let events = bench.world.audit.records();
    let warned =
        events.iter().filter(|record| format!("{record:?}").contains("lambda.untrusted-code")).count();
    assert_eq!(warned, 1);
    let broken = bench.call("UpdateFunctionCode", update(signed("x = 2", PROFILE, 2))).await;
    refused(&broken, "InvalidCodeSignatureException", "the signature is not the profile's");
}

#[tokio::test]
async fn the_configuration_is_a_condition_key_and_has_tags() {
    let bench = bench();
    let (one, two) = (made(&bench, "Warn").await, made(&bench, "Warn").await);
    let only = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}},{{"Effect":"Allow","Action":["lambda:CreateFunction","lambda:PutFunctionCodeSigningConfig"],"Resource":"*","Condition":{{"StringEquals":{{"lambda:CodeSigningConfigArn":"{one}"}}}}}}]}}"#
    );
    let ann = bench.world.identities().user("ann", &[&only]);
    let other = bench.world.other_account();
    let stranger = bench.world.identities().user_of(&other, "eve", &[ALL], None);
    let status =
        async |who, operation, input| bench.world.call(who, "lambda", operation, input).await.status.as_u16();
    let code = || Document::Blob(zip("x = 1").into());
    assert_eq!(status(&ann, "CreateFunction", python("f")).await, 403, "without configuration");
    assert_eq!(status(&ann, "CreateFunction", function("f", code(), &two)).await, 403);
    assert_eq!(status(&ann, "CreateFunction", function("f", code(), &one)).await, 201);
    let put = |arn: &str| with(of(arn), &[("FunctionName", text("f"))]);
    assert_eq!(status(&ann, "PutFunctionCodeSigningConfig", put(&two)).await, 403);
    assert_eq!(status(&ann, "PutFunctionCodeSigningConfig", put(&one)).await, 200);
    assert_eq!(status(&stranger, "GetCodeSigningConfig", of(&one)).await, 403);

    let tags = Document::Map(vec![("team".to_owned(), text("a"))]);
    bench.done("TagResource", Document::structure([("Resource", text(&one)), ("Tags", tags)])).await;
    let tagged = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:GetCodeSigningConfig","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    let ben = bench.world.identities().user("ben", &[tagged]);
    assert_eq!(status(&ben, "GetCodeSigningConfig", of(&one)).await, 200);
    assert_eq!(status(&ben, "GetCodeSigningConfig", of(&two)).await, 403);
}
