//! `AssumeRoleWithSAML`, with documents that another implementation has signed (`crates/saml/tests/it/fixtures`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_testkit::Response;

use crate::{
    providers::saml_document,
    scene::{ALLOW_ALL, Scene, credentials, refusal, role_arn},
};

const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/idp";
const UNAUTHORIZED: &str = "AccessDenied: Not authorized to perform sts:AssumeRoleWithSAML";

fn trust(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":["sts:AssumeRoleWithSAML","sts:TagSession","sts:SetSourceIdentity"]{condition}}}}}"#
    )
}

async fn idp() -> Scene {
    let scene = Scene::new().await;
    let metadata = saml_document("metadata");
    let members = [("Name", "idp"), ("SAMLMetadataDocument", metadata.as_str())];
    scene.iam(&scene.root, "CreateSAMLProvider", &members).await;
    let usual = r#","Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml","SAML:sub_type":"persistent","SAML:doc":"123456789012/idp"}}"#;
    role(&scene, "saml", &trust(usual), ALLOW_ALL).await;
    scene
}

async fn role(scene: &Scene, name: &str, trust: &str, policy: &str) {
    let members = [("RoleName", name), ("AssumeRolePolicyDocument", trust)];
    scene.iam(&scene.root, "CreateRole", &members).await;
    let members = [("RoleName", name), ("PolicyName", "inline"), ("PolicyDocument", policy)];
    scene.iam(&scene.root, "PutRolePolicy", &members).await;
}

async fn assume(scene: &Scene, role: &str, provider: &str, text: &str) -> Response {
    let (arn, encoded) = (role_arn(role), STANDARD.encode(text));
    let members =
        [("RoleArn", arn.as_str()), ("PrincipalArn", provider), ("SAMLAssertion", encoded.as_str())];
    scene.unsigned("AssumeRoleWithSAML", &members).await
}

#[tokio::test]
async fn a_signed_response_becomes_a_session_of_a_role_that_trusts_its_provider() {
    let scene = idp().await;
    for name in ["assertion", "response", "both", "sha512"] {
        let answer = assume(&scene, "saml", PROVIDER, &saml_document(name)).await;
        let session = credentials(&answer);
        assert_eq!(answer.element("Subject").unwrap(), "ann &amp; co");
        assert_eq!(answer.element("SubjectType").unwrap(), "persistent");
        assert_eq!(answer.element("Issuer").unwrap(), "https://idp.example.com/metadata");
        assert_eq!(answer.element("Audience").unwrap(), "https://signin.aws.amazon.com/saml");
        assert_eq!(answer.element("Expiration").unwrap(), "2026-11-24T01:00:00Z");
        let me = scene.whoami(&session).await;
        let expected = "arn:aws:sts::123456789012:assumed-role/saml/ann@example.com";
        assert_eq!(me.element("Arn").unwrap(), expected);
    }
}

#[tokio::test]
async fn responses_that_are_not_the_providers_word_for_us_are_refused() {
    let scene = idp().await;
    for (name, why) in [
        ("unsigned", "InvalidIdentityToken: Response signature invalid"),
        ("other-key", "InvalidIdentityToken: Response signature invalid"),
        ("sha1", "InvalidIdentityToken: Response signature invalid"),
        ("issuer", "InvalidIdentityToken: Issuer not present in specified provider"),
        ("audience", "InvalidIdentityToken: Response does not contain the required audience."),
        ("recipient", "InvalidIdentityToken: The response is for another recipient"),
        ("failed", "IDPRejectedClaim: The identity provider reported that authentication failed"),
        ("no-role", UNAUTHORIZED),
        ("no-name", "InvalidIdentityToken: RoleSessionName is required in AuthnResponse"),
        (
            "bad-name",
            "InvalidIdentityToken: RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}",
        ),
    ] {
        assert_eq!(refusal(&assume(&scene, "saml", PROVIDER, &saml_document(name)).await), why, "{name}");
    }
    let encoded = STANDARD.encode("no response");
    for text in ["!!!!", encoded.as_str()] {
        let members = [("RoleArn", &*role_arn("saml")), ("PrincipalArn", PROVIDER), ("SAMLAssertion", text)];
        let refused = refusal(&scene.unsigned("AssumeRoleWithSAML", &members).await);
        assert!(refused.starts_with("InvalidIdentityToken: "), "{refused}");
    }
}

#[tokio::test]
async fn a_response_is_redeemed_within_minutes() {
    let scene = idp().await;
    scene.world.clock.advance_seconds(299);
    credentials(&assume(&scene, "saml", PROVIDER, &saml_document("assertion")).await);
    scene.world.clock.advance_seconds(1);
    let late = refusal(&assume(&scene, "saml", PROVIDER, &saml_document("assertion")).await);
    assert_eq!(late, "ExpiredTokenException: Token must be redeemed within 5 minutes of issuance");
}

#[tokio::test]
async fn the_pair_of_role_and_provider_and_the_trust_policy_must_agree() {
    let scene = idp().await;
    let text = saml_document("assertion");
    role(&scene, "unlisted", &trust(""), ALLOW_ALL).await;
    assert_eq!(
        refusal(&assume(&scene, "unlisted", PROVIDER, &text).await),
        UNAUTHORIZED,
        "not in the response"
    );
    for provider in [
        "arn:aws:iam::123456789012:saml-provider/other",
        "arn:aws:iam::999999999999:saml-provider/idp",
        "arn:aws:iam::123456789012:role/saml-provider/idp",
    ] {
        let refused = refusal(&assume(&scene, "saml", provider, &text).await);
        assert_eq!(refused, "InvalidIdentityToken: Specified provider doesn't exist", "{provider}");
    }
    let wrong = trust(r#","Condition":{"StringEquals":{"SAML:sub":"bob"}}"#);
    let members = [("RoleName", "saml"), ("PolicyDocument", wrong.as_str())];
    scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
    assert_eq!(refusal(&assume(&scene, "saml", PROVIDER, &text).await), UNAUTHORIZED);
    let right = trust(r#","Condition":{"StringEquals":{"saml:sub":"ann & co"}}"#);
    let members = [("RoleName", "saml"), ("PolicyDocument", right.as_str())];
    scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
    credentials(&assume(&scene, "saml", PROVIDER, &text).await);
    let other = saml_document("other-metadata");
    let members = [("SAMLProviderArn", PROVIDER), ("SAMLMetadataDocument", other.as_str())];
    scene.iam(&scene.root, "UpdateSAMLProvider", &members).await;
    let refused = refusal(&assume(&scene, "saml", PROVIDER, &text).await);
    assert_eq!(refused, "InvalidIdentityToken: Response signature invalid", "new keys count at once");
    scene.iam(&scene.root, "DeleteSAMLProvider", &[("SAMLProviderArn", PROVIDER)]).await;
    let refused = refusal(&assume(&scene, "saml", PROVIDER, &text).await);
    assert_eq!(refused, "InvalidIdentityToken: Specified provider doesn't exist");
}

#[tokio::test]
async fn attributes_that_aws_lists_are_condition_keys() {
    let scene = idp().await;
    let metadata = saml_document("attributes-metadata");
    let members = [("SAMLProviderArn", PROVIDER), ("SAMLMetadataDocument", metadata.as_str())];
    scene.iam(&scene.root, "UpdateSAMLProvider", &members).await;
    let text = saml_document("attributes");
    for (condition, fine) in [
        (r#"{"ForAnyValue:StringEquals":{"saml:edupersonaffiliation":"staff"}}"#, true),
        (r#"{"ForAnyValue:StringEquals":{"saml:edupersonaffiliation":"student"}}"#, false),
        // A list, though it has one value.
        (r#"{"StringEquals":{"saml:edupersonaffiliation":"staff"}}"#, false),
        (r#"{"ForAllValues:StringLike":{"saml:edupersonentitlement":"urn:example:*"}}"#, true),
        (r#"{"ForAllValues:StringEquals":{"saml:edupersonentitlement":"urn:example:read"}}"#, false),
        (r#"{"ForAnyValue:StringEquals":{"saml:eduorglegalname":"Example University"}}"#, true),
        (r#"{"StringEquals":{"saml:edupersonorgdn":"o=Example","saml:mail":"ann@example.com"}}"#, true),
        (r#"{"StringEquals":{"saml:mail":"bob@example.com"}}"#, false),
        // Two claims of one key that do not agree: nothing is known.
        (r#"{"StringEquals":{"saml:surname":"Smith"}}"#, false),
        (r#"{"StringEquals":{"saml:surname":"Jones"}}"#, false),
        (r#"{"StringNotEquals":{"saml:surname":"Brown"}}"#, false),
        // Not there.
        (r#"{"Null":{"saml:givenName":"true"}}"#, true),
    ] {
        let trust = trust(&format!(r#","Condition":{condition}"#));
        let members = [("RoleName", "saml"), ("PolicyDocument", trust.as_str())];
        scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
        let answer = assume(&scene, "saml", PROVIDER, &text).await;
        assert_eq!(answer.status == 200, fine, "{condition}: {}", answer.text());
    }
}

#[tokio::test]
async fn attributes_become_tags_source_identity_and_length() {
    let scene = idp().await;
    let text = saml_document("tags");
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:PrincipalTag/team}","Condition":{"StringEquals":{"aws:SourceIdentity":"ann","saml:sub":"ann & co","aws:FederatedProvider":"arn:aws:iam::123456789012:saml-provider/idp"},"Null":{"saml:aud":"true"}}}}"#;
    role(&scene, "other", &trust(""), own).await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "blue")]).await;
    let answer = assume(&scene, "other", PROVIDER, &text).await;
    assert_eq!(answer.element("Expiration").unwrap(), "2026-11-24T00:30:00Z");
    assert_eq!(answer.element("SourceIdentity").unwrap(), "ann");
    let session = credentials(&answer);
    assert_eq!(scene.tried(&session, "GetUser", &[("UserName", "blue")]).await.status, 200);
    let untagged = trust("").replace("\"sts:TagSession\",", "");
    let members = [("RoleName", "other"), ("PolicyDocument", untagged.as_str())];
    scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
    let refused = refusal(&assume(&scene, "other", PROVIDER, &text).await);
    assert_eq!(refused, "AccessDenied: Not authorized to perform sts:TagSession");
}

fn private_key(name: &str) -> String {
    let path = format!("{}/../saml/tests/it/fixtures/sealed-{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A provider that encrypts, its key, and a role that trusts it.
async fn sealing(mode: Option<&str>) -> Scene {
    let scene = Scene::new().await;
    let (metadata, key) = (saml_document("sealed-metadata"), private_key("key"));
    let mut members =
        vec![("Name", "idp"), ("SAMLMetadataDocument", metadata.as_str()), ("AddPrivateKey", key.as_str())];
    members.extend(mode.map(|mode| ("AssertionEncryptionMode", mode)));
    scene.iam(&scene.root, "CreateSAMLProvider", &members).await;
    role(&scene, "saml", &trust(""), ALLOW_ALL).await;
    scene
}

#[tokio::test]
async fn an_encrypted_assertion_becomes_a_session() {
    for mode in [None, Some("Allowed"), Some("Required")] {
        let scene = sealing(mode).await;
        for name in ["sealed-gcm", "sealed-cbc"] {
            let answer = assume(&scene, "saml", PROVIDER, &saml_document(name)).await;
            let me = scene.whoami(&credentials(&answer)).await;
            let expected = "arn:aws:sts::123456789012:assumed-role/saml/ann@example.com";
            assert_eq!(me.element("Arn").unwrap(), expected, "{mode:?} {name}");
        }
        let open = assume(&scene, "saml", PROVIDER, &saml_document("sealed-open")).await;
        assert_eq!(open.status == 200, mode != Some("Required"), "{mode:?}: {}", open.text());
    }
}

#[tokio::test]
async fn an_encrypted_assertion_that_is_not_the_providers_word_is_refused() {
    let scene = sealing(Some("Required")).await;
    for (name, why) in [
        ("sealed-unsigned", "InvalidIdentityToken: Response signature invalid"),
        ("sealed-cbc-unsigned", "InvalidIdentityToken: Response signature invalid"),
        ("sealed-rsa15", "InvalidIdentityToken: The response could not be read"),
        ("sealed-no-xml", "InvalidIdentityToken: The response could not be read"),
        ("sealed-audience", "InvalidIdentityToken: Response does not contain the required audience."),
    ] {
        assert_eq!(refusal(&assume(&scene, "saml", PROVIDER, &saml_document(name)).await), why, "{name}");
    }
    let plain = idp().await;
    let closed = refusal(&assume(&plain, "saml", PROVIDER, &saml_document("sealed-gcm")).await);
    assert_eq!(closed, "InvalidIdentityToken: The response could not be read");
}

#[tokio::test]
async fn a_removed_key_opens_nothing_from_the_next_request_on() {
    let scene = sealing(None).await;
    let text = saml_document("sealed-gcm");
    assert_eq!(assume(&scene, "saml", PROVIDER, &text).await.status, 200);
    let named = [("SAMLProviderArn", PROVIDER)];
    let shown = scene.iam(&scene.root, "GetSAMLProvider", &named).await;
    assert!(!shown.text().contains("PRIVATE KEY"), "{}", shown.text());
    let id = shown.element("KeyId").unwrap();
    scene.iam(&scene.root, "UpdateSAMLProvider", &[named[0], ("RemovePrivateKey", &id)]).await;
    assert_ne!(assume(&scene, "saml", PROVIDER, &text).await.status, 200);
    let again =
        scene.refused(&scene.root, "UpdateSAMLProvider", &[named[0], ("RemovePrivateKey", &id)]).await;
    assert_eq!(again, format!("NoSuchEntity: Private key {id} not found."));
}

#[tokio::test]
async fn keys_of_a_provider_are_checked_and_counted() {
    let scene = sealing(Some("Required")).await;
    let (named, other) = (("SAMLProviderArn", PROVIDER), private_key("other-key"));
    let id = scene.iam(&scene.root, "GetSAMLProvider", &[named]).await.element("KeyId").unwrap();
    let encrypted = other.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (members, why) in [
        (vec![("AddPrivateKey", "no key")], "InvalidInput: The private key must be an unencrypted RSA key"),
        (
            vec![("AddPrivateKey", &*encrypted)],
            "InvalidInput: The private key must be an unencrypted RSA key",
        ),
        (
            vec![("AddPrivateKey", &*other), ("RemovePrivateKey", &*id)],
            "InvalidInput: A private key is added",
        ),
        (
            vec![("RemovePrivateKey", &*id)],
            "InvalidInput: Encryption cannot be required without a private key.",
        ),
    ] {
        let refused =
            scene.refused(&scene.root, "UpdateSAMLProvider", &[&[named][..], &members].concat()).await;
        assert!(refused.starts_with(why), "{refused}");
    }
    // Nothing of what was refused has been done.
    let text = saml_document("sealed-gcm");
    assert_eq!(assume(&scene, "saml", PROVIDER, &text).await.status, 200);
    let add = [named, ("AddPrivateKey", &*other)];
    scene.iam(&scene.root, "UpdateSAMLProvider", &add).await;
    let third = scene.refused(&scene.root, "UpdateSAMLProvider", &add).await;
    assert!(third.starts_with("LimitExceeded: "), "{third}");
    let metadata = saml_document("sealed-metadata");
    let members =
        [("Name", "x"), ("SAMLMetadataDocument", &*metadata), ("AssertionEncryptionMode", "Required")];
    let refused = scene.refused(&scene.root, "CreateSAMLProvider", &members).await;
    assert_eq!(refused, "InvalidInput: Encryption cannot be required without a private key.");
}
