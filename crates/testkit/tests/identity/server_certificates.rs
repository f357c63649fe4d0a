//! Server certificates: what is taken, what is shown, who may.

use casemate_testkit::{CertificateAndKey, KeyKind};

use crate::scene::{ALLOW_ALL, Scene};

/// The world begins in 2026.
const YEARS: (i32, i32) = (2020, 2040);
const NAMED: (&str, &str) = ("ServerCertificateName", "web");

fn own(kind: KeyKind) -> CertificateAndKey {
    CertificateAndKey::new("example.com", kind, YEARS, None)
}

fn upload<'a>(name: &'a str, made: &'a CertificateAndKey) -> Vec<(&'a str, &'a str)> {
    vec![("ServerCertificateName", name), ("CertificateBody", &made.body), ("PrivateKey", &made.key)]
}

#[tokio::test]
async fn a_certificate_is_kept_and_everything_but_its_key_is_shown() {
    let scene = Scene::new().await;
    let root = CertificateAndKey::new("root", KeyKind::Rsa, YEARS, None);
    let between = CertificateAndKey::new("between", KeyKind::P256, YEARS, Some(&root));
    let made = CertificateAndKey::new("example.com", KeyKind::Rsa, YEARS, Some(&between));
    let chain = format!("{}\n{}", between.body, root.body);
    let mut members = upload("web", &made);
    members.extend([("CertificateChain", chain.as_str()), ("Path", "/cloudfront/test/")]);
    let answer = scene.iam(&scene.root, "UploadServerCertificate", &members).await;
    let arn = "arn:aws:iam::123456789012:server-certificate/cloudfront/test/web";
    assert_eq!(answer.element("Arn").unwrap(), arn);
    assert_eq!(answer.element("Expiration").unwrap(), "2040-01-01T00:00:00Z");
    assert_eq!(answer.element("UploadDate").unwrap(), "2026-11-24T00:00:00Z");
    assert!(answer.element("ServerCertificateId").unwrap().starts_with("ASCA"));

    let shown = scene.iam(&scene.root, "GetServerCertificate", &[NAMED]).await;
    // XML readers make one line feed of the two characters that end a line.
    let lines = |text: String| text.replace("&#13;", "").replace("&#xD;", "").replace('\r', "");
    assert_eq!(lines(shown.element("CertificateBody").unwrap()).trim(), lines(made.body.clone()).trim());
    assert!(lines(shown.element("CertificateChain").unwrap()).contains(lines(root.body.clone()).trim()));
    let listed = scene.iam(&scene.root, "ListServerCertificates", &[("PathPrefix", "/cloudfront/")]).await;
    assert_eq!(listed.element("Arn").unwrap(), arn);
    assert!(!listed.text().contains("BEGIN"), "{}", listed.text());
    let elsewhere = scene.iam(&scene.root, "ListServerCertificates", &[("PathPrefix", "/x/")]).await;
    assert!(!elsewhere.text().contains(arn));
    let secret = made.key.lines().nth(3).unwrap().trim();
    for answer in [answer, shown, listed] {
        assert!(!answer.text().contains(secret) && !answer.text().contains("PRIVATE KEY"));
    }
    let summary = scene.iam(&scene.root, "GetAccountSummary", &[]).await.text();
    let counted = summary.split("<key>ServerCertificates</key>").nth(1).unwrap();
    assert!(counted.trim_start().starts_with("<value>1</value>"), "{summary}");
}

#[tokio::test]
async fn what_does_not_belong_together_is_refused() {
    let scene = Scene::new().await;
    let (made, other) = (own(KeyKind::Rsa), own(KeyKind::Rsa));
    let elliptic = own(KeyKind::P256);
    let early = CertificateAndKey::new("a", KeyKind::P256, (2027, 2040), None);
    let late = CertificateAndKey::new("a", KeyKind::P256, (2020, 2026), None);
    let issuer = CertificateAndKey::new("issuer", KeyKind::P256, YEARS, None);
    let below = CertificateAndKey::new("below", KeyKind::P256, YEARS, Some(&issuer));
    let two = format!("{}{}", made.body, made.body);
    let chain = "The certificate chain must start with the immediate signing certificate, followed by any \
                 intermediaries in order. The index within the chain of the invalid certificate is: ";
    let chain = |index: &str| format!("Malformed Unable to validate certificate chain. {chain}{index}");
    let unparsed = "Malformed Unable to parse certificate. Please ensure the certificate is in PEM format.";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    let wrong_order = format!("{}\n{}", other.body, issuer.body);
    let unrelated = format!("{}\n{}", issuer.body, made.body);
    let cases: [(&str, &str, Option<&str>, String); 13] = [
        ("no", &made.key, None, unparsed.to_owned()),
        (&two, &made.key, None, unparsed.to_owned()),
        (&made.key, &made.key, None, unparsed.to_owned()),
        (&made.body, "no", None, "Malformed The private key must be one RSA key".to_owned()),
        (&made.body, &made.body, None, "Malformed The private key must be one RSA key".to_owned()),
        (&made.body, encrypted, None, "Malformed The private key must not be encrypted".to_owned()),
        (&made.body, &other.key, None, "KeyPairMismatch: ".to_owned()),
        (&made.body, &elliptic.key, None, "KeyPairMismatch: ".to_owned()),
        (&early.body, &early.key, None, "Malformed The certificate is not valid yet.".to_owned()),
        (&late.body, &late.key, None, "Malformed The certificate is not valid any more.".to_owned()),
        (&below.body, &below.key, Some("no"), chain("0")),
        (&below.body, &below.key, Some(&wrong_order), chain("-1")),
        (&below.body, &below.key, Some(&unrelated), chain("0")),
    ];
    for (body, key, chain, why) in cases {
        let why = why.replacen("Malformed ", "MalformedCertificate: ", 1);
        let mut members = vec![NAMED, ("CertificateBody", body), ("PrivateKey", key)];
        members.extend(chain.map(|chain| ("CertificateChain", chain)));
        let refused = scene.refused(&scene.root, "UploadServerCertificate", &members).await;
        assert!(refused.starts_with(&why), "{refused}\n{why}");
        assert!(!refused.contains("BEGIN"), "{refused}");
    }
    let many = issuer.body.repeat(11);
    let mut members = upload("web", &below);
    members.push(("CertificateChain", &many));
    let refused = scene.refused(&scene.root, "UploadServerCertificate", &members).await;
    assert!(refused.ends_with("is: 0"), "{refused}");
    let none = scene.refused(&scene.root, "GetServerCertificate", &[NAMED]).await;
    assert_eq!(none, "NoSuchEntity: The Server Certificate with name web cannot be found.");
}

#[tokio::test]
async fn names_are_taken_without_regard_to_case_and_the_number_is_bounded() {
    let scene = Scene::new().await;
    let made = own(KeyKind::P256);
    scene.iam(&scene.root, "UploadServerCertificate", &upload("web", &made)).await;
    let again = scene.refused(&scene.root, "UploadServerCertificate", &upload("WEB", &made)).await;
    assert_eq!(again, "EntityAlreadyExists: The Server Certificate with name WEB already exists.");
    for at in 1..20 {
        scene.iam(&scene.root, "UploadServerCertificate", &upload(&format!("c{at}"), &made)).await;
    }
    let more = scene.refused(&scene.root, "UploadServerCertificate", &upload("c20", &made)).await;
    assert_eq!(more, "LimitExceeded: Cannot exceed quota for ServerCertificatesPerAccount: 20");
    let (mut marker, mut seen) = (None, 0);
    loop {
        let mut members = vec![("MaxItems", "7")];
        members.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = scene.iam(&scene.root, "ListServerCertificates", &members).await;
        seen += page.text().matches("<ServerCertificateId>").count();
        marker = page.element("Marker");
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, 20);
}

#[tokio::test]
async fn a_renamed_certificate_stays_the_same_and_a_deleted_one_is_gone() {
    let scene = Scene::new().await;
    let (made, other) = (own(KeyKind::P256), own(KeyKind::P256));
    let id = scene.iam(&scene.root, "UploadServerCertificate", &upload("web", &made)).await;
    let id = id.element("ServerCertificateId").unwrap();
    scene.iam(&scene.root, "UploadServerCertificate", &upload("taken", &other)).await;
    let to = |name| [NAMED, ("NewServerCertificateName", name), ("NewPath", "/new/")];
    let taken = scene.refused(&scene.root, "UpdateServerCertificate", &to("Taken")).await;
    assert_eq!(taken, "EntityAlreadyExists: The Server Certificate with name Taken already exists.");
    scene.iam(&scene.root, "UpdateServerCertificate", &to("site")).await;
    let site = ("ServerCertificateName", "site");
    let shown = scene.iam(&scene.root, "GetServerCertificate", &[site]).await;
    assert_eq!(shown.element("ServerCertificateId").unwrap(), id);
    assert_eq!(shown.element("Arn").unwrap(), "arn:aws:iam::123456789012:server-certificate/new/site");
    for operation in ["GetServerCertificate", "DeleteServerCertificate", "ListServerCertificateTags"] {
        let gone = scene.refused(&scene.root, operation, &[NAMED]).await;
        assert!(gone.starts_with("NoSuchEntity: "), "{operation}: {gone}");
    }
    scene.iam(&scene.root, "UpdateServerCertificate", &[site, ("NewServerCertificateName", "SITE")]).await;
    let shown = scene.iam(&scene.root, "GetServerCertificate", &[site]).await;
    assert_eq!(shown.element("ServerCertificateName").unwrap(), "SITE");
    scene.iam(&scene.root, "DeleteServerCertificate", &[site]).await;
    let listed = scene.iam(&scene.root, "ListServerCertificates", &[]).await.text();
    assert_eq!(listed.matches("<ServerCertificateId>").count(), 1, "{listed}");
}

#[tokio::test]
async fn rights_are_asked_for_on_the_path_the_tags_and_both_names() {
    let scene = Scene::new().await;
    let made = own(KeyKind::P256);
    let tag = |key: &str, value: &str| {
        let mut input = crate::scene::input(&[NAMED]);
        let tag = casemate_schema::Document::structure([("Key", key.into()), ("Value", value.into())]);
        input.push("Tags", casemate_schema::Document::List(vec![tag]));
        input
    };
    let mut members = upload("web", &made);
    members.push(("Path", "/a/"));
    scene.iam(&scene.root, "UploadServerCertificate", &members).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["iam:UploadServerCertificate","iam:UpdateServerCertificate"],
         "Resource":"arn:aws:iam::123456789012:server-certificate/a/*"},
        {"Effect":"Allow","Action":"iam:TagServerCertificate","Resource":"*",
         "Condition":{"StringEquals":{"aws:RequestTag/team":"red"}}},
        {"Effect":"Allow","Action":"iam:GetServerCertificate","Resource":"*",
         "Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}},
        {"Effect":"Allow","Action":"iam:UntagServerCertificate","Resource":"*",
         "Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["colour"]}}}]}"#;
    let ann = scene.user("ann", Some(policy)).await;
    let denied = |answer: String| assert!(answer.starts_with("AccessDenied: "), "{answer}");
    denied(scene.refused(&ann, "UploadServerCertificate", &upload("b", &made)).await);
    denied(scene.refused(&ann, "UpdateServerCertificate", &[NAMED, ("NewPath", "/b/")]).await);
    scene.iam(&ann, "UpdateServerCertificate", &[NAMED, ("NewPath", "/a/b/")]).await;
    denied(scene.refused(&ann, "GetServerCertificate", &[NAMED]).await);
    let blue = scene.world.call(&ann, "iam", "TagServerCertificate", tag("team", "blue")).await;
    denied(crate::scene::refusal(&blue));
    assert_eq!(scene.world.call(&ann, "iam", "TagServerCertificate", tag("team", "red")).await.status, 200);
    scene.iam(&ann, "GetServerCertificate", &[NAMED]).await;
    let untag = |key: &str| {
        let mut input = crate::scene::input(&[NAMED]);
        input.push("TagKeys", casemate_schema::Document::List(vec![key.into()]));
        input
    };
    denied(crate::scene::refusal(
        &scene.world.call(&ann, "iam", "UntagServerCertificate", untag("team")).await,
    ));
    assert_eq!(
        scene.world.call(&scene.root, "iam", "UntagServerCertificate", untag("TEAM")).await.status,
        200
    );
    let tags = scene.iam(&scene.root, "ListServerCertificateTags", &[NAMED]).await.text();
    assert!(!tags.contains("red"), "{tags}");
    denied(scene.refused(&ann, "ListServerCertificates", &[]).await);
    denied(scene.refused(&ann, "DeleteServerCertificate", &[NAMED]).await);
    let boss = scene.user("boss", Some(ALLOW_ALL)).await;
    scene.iam(&boss, "DeleteServerCertificate", &[NAMED]).await;
}

#[tokio::test]
async fn one_version_of_session_tokens_may_be_asked_for() {
    let scene = Scene::new().await;
    let set = |version| [("GlobalEndpointTokenVersion", version)];
    scene.iam(&scene.root, "SetSecurityTokenServicePreferences", &set("v2Token")).await;
    let refused = scene.refused(&scene.root, "SetSecurityTokenServicePreferences", &set("v1Token")).await;
    assert!(refused.starts_with("ValidationError: "), "{refused}");
    let refused = scene.refused(&scene.root, "SetSecurityTokenServicePreferences", &set("v3Token")).await;
    assert!(refused.starts_with("ValidationError: "), "{refused}");
}

#[tokio::test]
async fn moving_one_in_another_spelling_escapes_no_deny() {
    let scene = Scene::new().await;
    let kept_out = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"iam:UpdateServerCertificate","Resource":"arn:aws:iam::*:server-certificate/prod/web"}]}"#;
    let ann = scene.user("ann", Some(kept_out)).await;
    scene.iam(&scene.root, "UploadServerCertificate", &upload("web", &own(KeyKind::P256))).await;
    for name in ["web", "WEB"] {
        let moved = [("ServerCertificateName", name), ("NewPath", "/prod/")];
        assert_eq!(scene.tried(&ann, "UpdateServerCertificate", &moved).await.status, 403, "{name}");
    }
    let elsewhere = [("ServerCertificateName", "WEB"), ("NewPath", "/test/")];
    scene.iam(&ann, "UpdateServerCertificate", &elsewhere).await;
}
