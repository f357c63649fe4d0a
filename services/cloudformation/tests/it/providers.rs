//! Identity providers and single inline policies in templates.

use casemate_schema::Document;

use crate::{Scene, of, request};

const OIDC: &str = r"
Resources:
  Hub:
    Type: AWS::IAM::OIDCProvider
    Properties:
      Url: https://token.example.com/realm
      ClientIdList: [sts.amazonaws.com, old]
      ThumbprintList: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
      Tags: [{Key: team, Value: x}]
  Deployer:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {Federated: !GetAtt Hub.Arn}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {StringEquals: {'token.example.com/realm:aud': sts.amazonaws.com}}
Outputs:
  Hub: {Value: !Ref Hub}
";

const INLINE: &str = r"
Resources:
  Worker:
    Type: AWS::IAM::Role
    Properties:
      RoleName: worker
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]
  Devs: {Type: AWS::IAM::Group, Properties: {GroupName: devs}}
  Ann: {Type: AWS::IAM::User, Properties: {UserName: ann}}
  OfRole:
    Type: AWS::IAM::RolePolicy
    Properties: {RoleName: !Ref Worker, PolicyName: tables, PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: 'dynamodb:ListTables', Resource: '*'}]}}
  OfGroup:
    Type: AWS::IAM::GroupPolicy
    Properties: {GroupName: !Ref Devs, PolicyName: tables, PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: 'dynamodb:ListTables', Resource: '*'}]}}
  OfUser:
    Type: AWS::IAM::UserPolicy
    Properties: {UserName: !Ref Ann, PolicyName: tables, PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: 'dynamodb:ListTables', Resource: '*'}]}}
Outputs:
  Role: {Value: !Ref OfRole}
  Group: {Value: !Ref OfGroup}
  User: {Value: !Ref OfUser}
";

/// Whose inline policy, and the operations that list and show one.
const HOLDERS: [(&str, &str, &str, &str); 3] = [
    ("RoleName", "worker", "ListRolePolicies", "GetRolePolicy"),
    ("GroupName", "devs", "ListGroupPolicies", "GetGroupPolicy"),
    ("UserName", "ann", "ListUserPolicies", "GetUserPolicy"),
];

async fn iam<const N: usize>(scene: &Scene, operation: &str, members: [(&'static str, &str); N]) -> String {
    let members = members.map(|(name, value)| (name, Document::from(value)));
    scene.other("iam", operation, Document::structure(members)).await.text()
}

async fn updated(scene: &Scene, name: &str, template: &str) {
    let answer = scene.update(name, template).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled(name).await, "UPDATE_COMPLETE", "{}", scene.events(name).await);
}

async fn deleted(scene: &Scene, name: &str) {
    assert!(scene.call("DeleteStack", of(name)).await.status.is_success());
    assert_eq!(scene.settled(name).await, "gone");
}

fn saml_metadata(name: &str) -> String {
    let path = format!("{}/../../crates/saml/tests/it/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A template with one SAML provider that has these further properties.
fn saml(document: &str, more: &str) -> String {
    let document = serde_json::Value::from(saml_metadata(document)).to_string();
    format!(
        "Resources:\n  Idp:\n    Type: AWS::IAM::SAMLProvider\n    Properties:\n      SamlMetadataDocument: {document}\n{more}\
         Outputs:\n  Arn: {{Value: !GetAtt Idp.Arn}}\n  Ref: {{Value: !Ref Idp}}\n  Uuid: {{Value: !GetAtt Idp.SamlProviderUUID}}\n"
    )
}

#[tokio::test]
async fn an_issuer_of_tokens_is_made_changed_in_place_replaced_and_deleted() {
    let scene = Scene::new().await;
    scene.created("hub", OIDC).await;
    let arn = "arn:aws:iam::123456789012:oidc-provider/token.example.com/realm";
    assert!(scene.describe("hub").await.text().contains(arn));
    let roles = iam(&scene, "ListRoles", []).await;
    assert!(roles.contains("token.example.com"), "{roles}");

    let changed = OIDC
        .replace("amazonaws.com, old]", "amazonaws.com, new]")
        .replace("[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]", "[bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb]")
        .replace("Key: team", "Key: colour");
    updated(&scene, "hub", &changed).await;
    let shown = iam(&scene, "GetOpenIDConnectProvider", [("OpenIDConnectProviderArn", arn)]).await;
    for (there, gone) in [("<member>new<", "<member>old<"), ("bbbbbbbb", "aaaaaaaa"), ("colour", "team")] {
        assert!(shown.contains(there) && !shown.contains(gone), "{shown}");
    }
    assert!(shown.contains("<member>sts.amazonaws.com<"), "{shown}");

    let bare = changed.lines().filter(|line| !line.contains("ThumbprintList") && !line.contains("Tags:"));
    updated(&scene, "hub", &bare.collect::<Vec<_>>().join("\n")).await;
    let shown = iam(&scene, "GetOpenIDConnectProvider", [("OpenIDConnectProviderArn", arn)]).await;
    assert!(!shown.contains("bbbbbbbb") && !shown.contains("colour"), "{shown}");

    updated(&scene, "hub", &changed.replace("example.com/realm", "example.com/other")).await;
    let listed = iam(&scene, "ListOpenIDConnectProviders", []).await;
    assert!(listed.contains("example.com/other") && !listed.contains("example.com/realm"), "{listed}");

    deleted(&scene, "hub").await;
    let listed = iam(&scene, "ListOpenIDConnectProviders", []).await;
    assert!(!listed.contains("<Arn>"), "{listed}");
}

#[tokio::test]
async fn a_saml_provider_is_made_changed_in_place_replaced_and_deleted() {
    let scene = Scene::new().await;
    let key = saml_metadata("sealed-key.txt");
    let sealed = format!(
        "      AssertionEncryptionMode: Required\n      AddPrivateKey: {}\n",
        serde_json::Value::from(key.as_str())
    );
    scene.created("sso", &saml("metadata.xml", &sealed)).await;
    let outputs = scene.describe("sso").await.text();
    assert!(outputs.matches(":saml-provider/sso-Idp-").count() == 2, "{outputs}");
    let arn = scene.other("iam", "ListSAMLProviders", Document::empty()).await.element("Arn").unwrap();
    let show = || async {
        let input = Document::structure([("SAMLProviderArn", arn.as_str().into())]);
        scene.other("iam", "GetSAMLProvider", input).await
    };
    let first = show().await;
    assert!(outputs.contains(&first.element("SAMLProviderUUID").unwrap()), "{outputs}");
    assert_eq!(first.element("AssertionEncryptionMode").as_deref(), Some("Required"));
    let key_id = first.element("KeyId").unwrap();

    // Neither said again (there would be two keys) nor anywhere shown.
    updated(
        &scene,
        "sso",
        &saml("other-metadata.xml", &format!("{sealed}      Tags: [{{Key: team, Value: x}}]\n")),
    )
    .await;
    let second = show().await;
    assert_eq!(second.text().matches("<KeyId>").count(), 1);
    assert!(second.text().contains("team"));
    assert_ne!(second.element("SAMLMetadataDocument"), first.element("SAMLMetadataDocument"));
    assert_eq!(second.element("SAMLProviderUUID"), first.element("SAMLProviderUUID"));
    let secret = key.lines().nth(1).unwrap();
    assert!(
        !scene.events("sso").await.contains(secret) && !scene.describe("sso").await.text().contains(secret)
    );

    let removed = format!("      AssertionEncryptionMode: Allowed\n      RemovePrivateKey: {key_id}\n");
    updated(&scene, "sso", &saml("other-metadata.xml", &removed)).await;
    let third = show().await.text();
    assert!(!third.contains("<KeyId>") && third.contains("Allowed") && !third.contains("team"), "{third}");

    updated(&scene, "sso", &saml("other-metadata.xml", "      Name: idp\n")).await;
    let listed = iam(&scene, "ListSAMLProviders", []).await;
    assert!(listed.contains(":saml-provider/idp<") && !listed.contains(&arn), "{listed}");
    deleted(&scene, "sso").await;
    assert!(!iam(&scene, "ListSAMLProviders", []).await.contains("<Arn>"));
}

#[tokio::test]
async fn single_inline_policies_are_put_changed_replaced_and_deleted() {
    let scene = Scene::new().await;
    scene.created("inline", INLINE).await;
    let outputs = scene.describe("inline").await.text();
    for (member, holder, _, get) in HOLDERS {
        assert!(outputs.contains(&format!("tables|{holder}")), "{outputs}");
        let shown = iam(&scene, get, [(member, holder), ("PolicyName", "tables")]).await;
        assert!(shown.contains("dynamodb%3AListTables"), "{shown}");
    }

    let changed = INLINE.replace("dynamodb:ListTables", "logs:DescribeLogGroups");
    updated(&scene, "inline", &changed).await;
    let changed = changed.replace("PolicyName: tables", "PolicyName: groups");
    updated(&scene, "inline", &changed).await;
    for (member, holder, list, get) in HOLDERS {
        let shown = iam(&scene, get, [(member, holder), ("PolicyName", "groups")]).await;
        assert!(shown.contains("logs%3ADescribeLogGroups"), "{shown}");
        let listed = iam(&scene, list, [(member, holder)]).await;
        assert!(!listed.contains("tables"), "{listed}");
    }

    let without = changed.split("  OfRole:").next().unwrap();
    updated(&scene, "inline", without).await;
    for (member, holder, list, _) in HOLDERS {
        let listed = iam(&scene, list, [(member, holder)]).await;
        assert!(listed.contains("PolicyNames") && !listed.contains("<member>"), "{listed}");
    }
    updated(&scene, "inline", &changed).await;
    deleted(&scene, "inline").await;
}

#[tokio::test]
async fn a_policy_that_is_there_already_is_not_taken_over() {
    let scene = Scene::new().await;
    scene
        .user("ann", r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#)
        .await;
    let template = "
Resources:
  Mine:
    Type: AWS::IAM::UserPolicy
    Properties:
      UserName: ann
      PolicyName: p
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: '*', Resource: '*'}]}
";
    assert!(scene.create("mine", template).await.status.is_success());
    assert_eq!(scene.settled("mine").await, "ROLLBACK_COMPLETE");
    let events = scene.events("mine").await;
    let text =
        "Resource of type &apos;AWS::IAM::UserPolicy&apos; with identifier &apos;p|ann&apos; already exists.";
    assert!(events.contains(text) || events.contains(&text.replace("&apos;", "'")), "{events}");
    let kept = iam(&scene, "GetUserPolicy", [("UserName", "ann"), ("PolicyName", "p")]).await;
    assert!(kept.contains("Deny"), "{kept}");

    // Nobody there to have it.
    let nobody = template.replace("UserName: ann", "UserName: nobody");
    assert!(scene.create("nobody", &nobody).await.status.is_success());
    assert_eq!(scene.settled("nobody").await, "ROLLBACK_COMPLETE");
    let events = scene.events("nobody").await;
    assert!(events.contains("nobody cannot be found"), "{events}");
}

#[tokio::test]
async fn whoever_may_not_make_providers_or_put_policies_makes_none_by_a_stack() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["cloudformation:*","iam:Get*"],"Resource":"*"}]}"#;
    let bob = scene.user("bob", policy).await;
    let provider = OIDC.split("  Deployer:").next().unwrap().to_owned();
    let inline = "
Resources:
  Mine:
    Type: AWS::IAM::UserPolicy
    Properties:
      UserName: bob
      PolicyName: more
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: '*', Resource: '*'}]}
";
    for (name, template, action) in [
        ("oidc", provider, "iam:CreateOpenIDConnectProvider"),
        ("saml", saml("metadata.xml", ""), "iam:CreateSAMLProvider"),
        ("inline", inline.to_owned(), "iam:PutUserPolicy"),
    ] {
        let answer = scene.world.call(&bob, "cloudformation", "CreateStack", request(name, &template)).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        assert_eq!(scene.settled(name).await, "ROLLBACK_COMPLETE", "{name}");
        let events = scene.events(name).await;
        assert!(events.contains(&format!("is not authorized to perform: {action}")), "{events}");
    }
    for operation in ["ListOpenIDConnectProviders", "ListSAMLProviders"] {
        let listed = iam(&scene, operation, []).await;
        assert!(!listed.contains("<Arn>"), "{listed}");
    }
    assert!(!iam(&scene, "ListUserPolicies", [("UserName", "bob")]).await.contains("more"));
}

#[tokio::test]
async fn malformed_templates_are_refused_before_anything_is_made_and_malformed_values_undone() {
    let scene = Scene::new().await;
    for (template, text) in [
        (
            "Resources: {A: {Type: 'AWS::IAM::OIDCProvider', Properties: {ClientIdList: [a]}}}",
            "Property Url of AWS::IAM::OIDCProvider is required",
        ),
        (
            "Resources: {A: {Type: 'AWS::IAM::OIDCProvider', Properties: {Url: 'https://a.example.com', ClientIdList: a}}}",
            "must be a list",
        ),
        (
            "Resources: {A: {Type: 'AWS::IAM::SAMLProvider', Properties: {Name: a}}}",
            "Property SamlMetadataDocument of AWS::IAM::SAMLProvider is required",
        ),
        (
            "Resources: {A: {Type: 'AWS::IAM::SAMLProvider', Properties: {SamlMetadataDocument: a, PrivateKeyList: []}}}",
            "unsupported property PrivateKeyList",
        ),
        (
            "Resources: {A: {Type: 'AWS::IAM::SAMLProvider', Properties: {SamlMetadataDocument: a, AssertionEncryptionMode: Never}}}",
            "must be one of the values the API knows",
        ),
        (
            "Resources: {A: {Type: 'AWS::IAM::RolePolicy', Properties: {RoleName: a, PolicyName: p}}}",
            "Property PolicyDocument of AWS::IAM::RolePolicy is required",
        ),
        (
            "Resources: {A: {Type: 'AWS::IAM::GroupPolicy', Properties: {RoleName: a, PolicyName: p, PolicyDocument: {}}}}",
            "unsupported property RoleName",
        ),
    ] {
        let refused = scene.create("wrong", template).await;
        assert!(refused.message().contains(text), "{text}: {}", refused.message());
    }
    let unacknowledged = Document::structure([("StackName", "plain".into()), ("TemplateBody", OIDC.into())]);
    let refused = scene.call("CreateStack", unacknowledged).await;
    assert_eq!(refused.code().as_deref(), Some("InsufficientCapabilitiesException"));

    let short = saml("metadata.xml", "").replace("EntityDescriptor", "Entity");
    for (name, template, text) in [
        ("plain-http", OIDC.replace("https:", "http:"), "Invalid Open ID Connect Provider URL"),
        ("thumbprint", OIDC.replace("aaaaaaaa", "zzzzzzzz"), "40 hexadecimal characters"),
        ("metadata", short, "Could not parse metadata"),
        ("document", INLINE.replace("Action: 'dynamodb:ListTables', ", ""), "MalformedPolicyDocument"),
    ] {
        assert!(scene.create(name, &template).await.status.is_success(), "{name}");
        assert_eq!(scene.settled(name).await, "ROLLBACK_COMPLETE", "{name}");
        let events = scene.events(name).await;
        assert!(events.contains(text), "{text}: {events}");
    }
}
