//! Identity providers as IAM keeps them.

use casemate_schema::Document;

use crate::scene::{ACCOUNT, Scene, input};

const URL: &str = "https://idp.example.com/realm";

fn oidc_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example.com/realm")
}

fn texts(items: &[&str]) -> Document {
    Document::List(items.iter().map(|text| Document::from(*text)).collect())
}

pub(crate) fn saml_document(name: &str) -> String {
    let path = format!("{}/../saml/tests/it/fixtures/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

async fn create(scene: &Scene, url: &str, more: &[(&str, Document)]) -> casemate_testkit::Response {
    let mut members = input(&[("Url", url)]);
    for (name, value) in more {
        members.push(name, value.clone());
    }
    scene.world.call(&scene.root, "iam", "CreateOpenIDConnectProvider", members).await
}

#[tokio::test]
async fn an_openid_connect_provider_is_kept_as_it_was_registered() {
    let scene = Scene::new().await;
    let thumbprint = "a".repeat(40);
    let more = [("ClientIDList", texts(&["app"])), ("ThumbprintList", texts(&[&thumbprint]))];
    let made = create(&scene, URL, &more).await;
    let arn = oidc_arn();
    assert_eq!(made.element("OpenIDConnectProviderArn").unwrap(), arn);
    let named = [("OpenIDConnectProviderArn", arn.as_str())];
    let shown = scene.iam(&scene.root, "GetOpenIDConnectProvider", &named).await;
    assert_eq!(shown.element("Url").unwrap(), "idp.example.com/realm");
    assert!(shown.text().contains(&thumbprint));
    let listed = scene.iam(&scene.root, "ListOpenIDConnectProviders", &[]).await;
    assert_eq!(listed.element("Arn").unwrap(), arn);

    let other = [named[0], ("ClientID", "other")];
    for _ in 0..2 {
        scene.iam(&scene.root, "AddClientIDToOpenIDConnectProvider", &other).await;
    }
    let shown = scene.iam(&scene.root, "GetOpenIDConnectProvider", &named).await.text();
    assert_eq!(shown.matches("<member>other</member>").count(), 1, "{shown}");
    for _ in 0..2 {
        scene.iam(&scene.root, "RemoveClientIDFromOpenIDConnectProvider", &other).await;
    }
    let mut update = input(&named);
    update.push("ThumbprintList", texts(&[&"b".repeat(40)]));
    let updated = scene.world.call(&scene.root, "iam", "UpdateOpenIDConnectProviderThumbprint", update).await;
    assert_eq!(updated.status, 200);
    let shown = scene.iam(&scene.root, "GetOpenIDConnectProvider", &named).await.text();
    assert!(!shown.contains("other") && !shown.contains(&thumbprint), "{shown}");
    for _ in 0..2 {
        scene.iam(&scene.root, "DeleteOpenIDConnectProvider", &named).await;
    }
    let gone = scene.refused(&scene.root, "GetOpenIDConnectProvider", &named).await;
    assert_eq!(gone, format!("NoSuchEntity: OpenIDConnect Provider not found for arn {arn}"));
}

#[tokio::test]
async fn addresses_that_are_no_issuers_and_second_registrations_are_refused() {
    let scene = Scene::new().await;
    for url in ["http://idp.example.com", "https://idp.example.com:444/x", "https://idp.example.com?x=y"] {
        let refused = crate::scene::refusal(&create(&scene, url, &[]).await);
        assert_eq!(refused, "ValidationError: Invalid Open ID Connect Provider URL", "{url}");
    }
    assert_eq!(create(&scene, URL, &[]).await.status, 200);
    let again = crate::scene::refusal(&create(&scene, URL, &[]).await);
    assert_eq!(again, format!("EntityAlreadyExists: Provider with url {URL} already exists."));
}

#[tokio::test]
async fn a_saml_provider_is_kept_with_its_metadata() {
    let scene = Scene::new().await;
    let (first, second) = (saml_document("metadata"), saml_document("other-metadata"));
    let members = [("Name", "idp"), ("SAMLMetadataDocument", first.as_str())];
    let made = scene.iam(&scene.root, "CreateSAMLProvider", &members).await;
    let arn = made.element("SAMLProviderArn").unwrap();
    assert_eq!(arn, format!("arn:aws:iam::{ACCOUNT}:saml-provider/idp"));
    assert!(
        scene.refused(&scene.root, "CreateSAMLProvider", &members).await.starts_with("EntityAlreadyExists: ")
    );
    let named = [("SAMLProviderArn", arn.as_str())];
    let shown = scene.iam(&scene.root, "GetSAMLProvider", &named).await;
    assert_eq!(shown.element("ValidUntil").unwrap(), "2027-11-24T00:00:00Z");
    let listed = scene.iam(&scene.root, "ListSAMLProviders", &[]).await;
    assert_eq!(listed.element("Arn").unwrap(), arn);
    let update = [named[0], ("SAMLMetadataDocument", second.as_str())];
    scene.iam(&scene.root, "UpdateSAMLProvider", &update).await;
    let broken = "<x/>".repeat(300);
    for (operation, members) in [
        ("UpdateSAMLProvider", vec![named[0], ("SAMLMetadataDocument", broken.as_str())]),
        ("CreateSAMLProvider", vec![("Name", "other"), ("SAMLMetadataDocument", broken.as_str())]),
    ] {
        let refused = scene.refused(&scene.root, operation, &members).await;
        assert_eq!(refused, "InvalidInput: Could not parse metadata");
    }
    scene.iam(&scene.root, "DeleteSAMLProvider", &named).await;
    let gone = scene.refused(&scene.root, "DeleteSAMLProvider", &named).await;
    assert_eq!(gone, format!("NoSuchEntity: Manifest not found for arn {arn}"));
}

#[tokio::test]
async fn providers_have_tags_that_policies_see() {
    let scene = Scene::new().await;
    let metadata = saml_document("metadata");
    let saml = [("Name", "idp"), ("SAMLMetadataDocument", metadata.as_str())];
    let saml = scene.iam(&scene.root, "CreateSAMLProvider", &saml).await.element("SAMLProviderArn").unwrap();
    create(&scene, URL, &[]).await;
    let blue = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:Get*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}}"#;
    let ann = scene.user("ann", Some(blue)).await;
    let oidc = [
        "GetOpenIDConnectProvider",
        "TagOpenIDConnectProvider",
        "ListOpenIDConnectProviderTags",
        "UntagOpenIDConnectProvider",
    ];
    let of_saml = ["GetSAMLProvider", "TagSAMLProvider", "ListSAMLProviderTags", "UntagSAMLProvider"];
    for ([get, tag, list, untag], member, arn) in
        [(oidc, "OpenIDConnectProviderArn", oidc_arn()), (of_saml, "SAMLProviderArn", saml)]
    {
        let named = [(member, arn.as_str())];
        assert!(scene.refused(&ann, get, &named).await.starts_with("AccessDenied: "));
        let mut tagging = input(&named);
        tagging.push("Tags", Document::List(vec![input(&[("Key", "team"), ("Value", "blue")])]));
        let tagged = scene.world.call(&scene.root, "iam", tag, tagging).await;
        assert_eq!(tagged.status, 200, "{}", tagged.text());
        scene.iam(&ann, get, &named).await;
        let listed = scene.iam(&scene.root, list, &named).await;
        assert_eq!(listed.element("Value").unwrap(), "blue");
        let mut untagging = input(&named);
        untagging.push("TagKeys", texts(&["team"]));
        assert_eq!(scene.world.call(&scene.root, "iam", untag, untagging).await.status, 200);
        assert!(scene.refused(&ann, get, &named).await.starts_with("AccessDenied: "));
    }
}
