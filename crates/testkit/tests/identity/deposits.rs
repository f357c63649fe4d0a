//! SSH public keys, signing certificates and service-specific credentials of users.

use crate::scene::{ALLOW_ALL, Scene};

/// An RSA key of 2048 bits as ssh-keygen writes it, less its comment.
fn line() -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let modulus: Vec<u8> = std::iter::once(0).chain(std::iter::repeat_n(0xc5, 256)).collect();
    let parts: [&[u8]; 3] = [b"ssh-rsa", &[1, 0, 1], &modulus];
    let blob: Vec<u8> = parts
        .iter()
        .flat_map(|part| {
            u32::try_from(part.len()).unwrap().to_be_bytes().into_iter().chain(part.iter().copied())
        })
        .collect();
    format!("ssh-rsa {}", STANDARD.encode(blob))
}

fn certificate() -> String {
    let metadata = crate::providers::saml_document("metadata");
    let inside = metadata.split("<ds:X509Certificate>").nth(1).unwrap().split('<').next().unwrap();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", inside.trim())
}

#[tokio::test]
async fn a_public_key_is_shown_in_both_encodings_and_switched_and_removed() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let (ann, line) = (("UserName", "ann"), line());
    let upload = [ann, ("SSHPublicKeyBody", line.as_str())];
    let made = scene.iam(&scene.root, "UploadSSHPublicKey", &upload).await;
    let id = made.element("SSHPublicKeyId").unwrap();
    assert_eq!(made.element("Fingerprint").unwrap().len(), 47);
    assert_eq!(made.element("Status").unwrap(), "Active");
    let named = [ann, ("SSHPublicKeyId", id.as_str())];
    let shown = |encoding| [named[0], named[1], ("Encoding", encoding)];
    let ssh = scene.iam(&scene.root, "GetSSHPublicKey", &shown("SSH")).await;
    assert_eq!(ssh.element("SSHPublicKeyBody").unwrap(), line);
    let pem =
        scene.iam(&scene.root, "GetSSHPublicKey", &shown("PEM")).await.element("SSHPublicKeyBody").unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
    for body in [line.as_str(), &pem, &format!("{line} comment")] {
        let again = [ann, ("SSHPublicKeyBody", body)];
        let refused = scene.refused(&scene.root, "UploadSSHPublicKey", &again).await;
        assert!(refused.starts_with("DuplicateSSHPublicKey: "), "{refused}");
    }
    scene.iam(&scene.root, "UpdateSSHPublicKey", &[named[0], named[1], ("Status", "Inactive")]).await;
    let listed = scene.iam(&scene.root, "ListSSHPublicKeys", &[ann]).await;
    assert_eq!(listed.element("Status").unwrap(), "Inactive");
    assert!(!listed.text().contains("ssh-rsa"), "{}", listed.text());
    for (body, why) in
        [("ssh-ed25519 AAAA", "UnrecognizedPublicKeyEncoding: "), ("ssh-rsa AAAA", "InvalidPublicKey: ")]
    {
        let refused =
            scene.refused(&scene.root, "UploadSSHPublicKey", &[ann, ("SSHPublicKeyBody", body)]).await;
        assert!(refused.starts_with(why), "{refused}");
    }
    scene.iam(&scene.root, "DeleteSSHPublicKey", &named).await;
    let gone = scene.refused(&scene.root, "DeleteSSHPublicKey", &named).await;
    assert_eq!(gone, format!("NoSuchEntity: The Public Key with id {id} cannot be found."));
}

#[tokio::test]
async fn a_signing_certificate_is_kept_and_shows_in_the_credential_report() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let (ann, body) = (("UserName", "ann"), certificate());
    let upload = [ann, ("CertificateBody", body.as_str())];
    let id =
        scene.iam(&scene.root, "UploadSigningCertificate", &upload).await.element("CertificateId").unwrap();
    let again = scene.refused(&scene.root, "UploadSigningCertificate", &upload).await;
    assert!(again.starts_with("DuplicateCertificate: "), "{again}");
    let refused =
        scene.refused(&scene.root, "UploadSigningCertificate", &[ann, ("CertificateBody", "no")]).await;
    assert!(refused.starts_with("MalformedCertificate: "), "{refused}");
    let named = [ann, ("CertificateId", id.as_str())];
    scene.iam(&scene.root, "UpdateSigningCertificate", &[named[0], named[1], ("Status", "Inactive")]).await;
    let listed = scene.iam(&scene.root, "ListSigningCertificates", &[ann]).await;
    assert_eq!(listed.element("Status").unwrap(), "Inactive");
    scene.iam(&scene.root, "DeleteSigningCertificate", &named).await;
    let update = [named[0], named[1], ("Status", "Active")];
    let gone = scene.refused(&scene.root, "UpdateSigningCertificate", &update).await;
    assert_eq!(gone, format!("NoSuchEntity: The Certificate with id {id} cannot be found."));
}

#[tokio::test]
async fn the_password_of_a_service_specific_credential_is_shown_when_it_is_made() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let ann = ("UserName", "ann");
    let create = [ann, ("ServiceName", "cassandra.amazonaws.com")];
    let made = scene.iam(&scene.root, "CreateServiceSpecificCredential", &create).await;
    let (id, first) =
        (made.element("ServiceSpecificCredentialId").unwrap(), made.element("ServicePassword").unwrap());
    assert_eq!(made.element("ServiceUserName").unwrap(), "ann-at-123456789012");
    let named = [ann, ("ServiceSpecificCredentialId", id.as_str())];
    let reset = scene.iam(&scene.root, "ResetServiceSpecificCredential", &named).await;
    let second = reset.element("ServicePassword").unwrap();
    assert_ne!(first, second);
    let listed = scene.iam(&scene.root, "ListServiceSpecificCredentials", &[ann]).await.text();
    assert!(listed.contains(&id) && !listed.contains(&first) && !listed.contains(&second), "{listed}");
    let other = [ann, ("ServiceName", "codecommit.amazonaws.com")];
    let none = scene.iam(&scene.root, "ListServiceSpecificCredentials", &other).await.text();
    assert!(!none.contains(&id), "{none}");
    scene.iam(&scene.root, "CreateServiceSpecificCredential", &create).await;
    let third = scene.refused(&scene.root, "CreateServiceSpecificCredential", &create).await;
    assert!(third.starts_with("LimitExceeded: "), "{third}");
    let unknown = [ann, ("ServiceName", "s3.amazonaws.com")];
    let refused = scene.refused(&scene.root, "CreateServiceSpecificCredential", &unknown).await;
    assert!(refused.starts_with("NotSupportedService: "), "{refused}");
    scene
        .iam(&scene.root, "UpdateServiceSpecificCredential", &[named[0], named[1], ("Status", "Inactive")])
        .await;
    scene.iam(&scene.root, "DeleteServiceSpecificCredential", &named).await;
    let gone = scene.refused(&scene.root, "ResetServiceSpecificCredential", &named).await;
    assert_eq!(gone, format!("NoSuchEntity: The Service Specific Credential with id {id} cannot be found."));
}

#[tokio::test]
async fn the_service_of_a_credential_and_its_age_decide() {
    const SERVICE: &str = "iam:ServiceSpecificCredentialServiceName";
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let ann = ("UserName", "ann");
    let of = |service| [ann, ("ServiceName", service)];
    let (cassandra, codecommit) = (of("cassandra.amazonaws.com"), of("codecommit.amazonaws.com"));
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:*","Resource":"*"}},{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"{SERVICE}":"cassandra.amazonaws.com"}}}}}},{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"NumericGreaterThan":{{"iam:ServiceSpecificCredentialAgeDays":"30"}}}}}}]}}"#
    );
    let bob = scene.user("bob", Some(&policy)).await;
    for who in ["ann", "bob"] {
        let members = [("UserName", who), cassandra[1]];
        let refused = scene.refused(&bob, "CreateServiceSpecificCredential", &members).await;
        assert!(refused.starts_with("AccessDenied: "), "{refused}");
    }
    let theirs = scene.iam(&scene.root, "CreateServiceSpecificCredential", &cassandra).await;
    let own = scene.iam(&bob, "CreateServiceSpecificCredential", &codecommit).await;
    let named = |made: &casemate_testkit::Response| made.element("ServiceSpecificCredentialId").unwrap();
    let (theirs, own) = (named(&theirs), named(&own));
    for (operation, more) in [
        ("ResetServiceSpecificCredential", None),
        ("UpdateServiceSpecificCredential", Some(("Status", "Inactive"))),
        ("DeleteServiceSpecificCredential", None),
    ] {
        let input =
            |id| [ann, ("ServiceSpecificCredentialId", id)].into_iter().chain(more).collect::<Vec<_>>();
        let refused = scene.refused(&bob, operation, &input(theirs.as_str())).await;
        assert!(refused.starts_with("AccessDenied: "), "{operation}: {refused}");
        scene.iam(&bob, operation, &input(own.as_str())).await;
    }
    for (days, why) in [(31, "AccessDenied: "), (30, "ValidationError: CredentialAgeDays ")] {
        let mut members = crate::scene::input(&codecommit);
        members.push("CredentialAgeDays", casemate_schema::Document::Integer(days));
        let answer = scene.world.call(&bob, "iam", "CreateServiceSpecificCredential", members).await;
        let refused = crate::scene::refusal(&answer);
        assert!(refused.starts_with(why), "{days}: {refused}");
    }
}

#[tokio::test]
async fn nothing_of_this_is_anothers_or_a_namesakes_and_a_user_with_it_is_not_deleted() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let bob = scene.user("bob", Some(ALLOW_ALL)).await;
    let (ann, line) = (("UserName", "ann"), line());
    let upload = [ann, ("SSHPublicKeyBody", line.as_str())];
    let id = scene.iam(&bob, "UploadSSHPublicKey", &upload).await.element("SSHPublicKeyId").unwrap();
    let as_bobs = [("UserName", "bob"), ("SSHPublicKeyId", id.as_str())];
    assert!(scene.refused(&bob, "DeleteSSHPublicKey", &as_bobs).await.starts_with("NoSuchEntity: "));
    let own = scene.iam(&bob, "ListSSHPublicKeys", &[]).await.text();
    assert!(!own.contains(&id), "{own}");
    let keys = scene.iam(&bob, "ListAccessKeys", &[ann]).await.element("AccessKeyId").unwrap();
    scene.iam(&bob, "DeleteAccessKey", &[ann, ("AccessKeyId", keys.as_str())]).await;
    let refused = scene.refused(&bob, "DeleteUser", &[ann]).await;
    assert_eq!(refused, "DeleteConflict: Cannot delete entity, must delete SSH public keys first.");
    scene.iam(&bob, "DeleteSSHPublicKey", &[ann, as_bobs[1]]).await;
    scene.iam(&bob, "DeleteUser", &[ann]).await;
    scene.iam(&bob, "CreateUser", &[ann]).await;
    let none = scene.iam(&bob, "ListSSHPublicKeys", &[ann]).await.text();
    assert!(!none.contains("APKA"), "{none}");
}
