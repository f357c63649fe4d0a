//! Reads of what an organisation here never has: invitations, delegated administrators, transfers of responsibility, policies
//! that are not about rights. And the services with access to it all.

use serde_json::json;

use crate::Scene;

#[tokio::test]
async fn what_there_is_none_of_is_listed_as_nothing() {
    let scene = Scene::new().await;
    for (operation, member) in [
        ("ListHandshakesForAccount", "Handshakes"),
        ("ListHandshakesForOrganization", "Handshakes"),
        ("ListDelegatedAdministrators", "DelegatedAdministrators"),
        ("ListAWSServiceAccessForOrganization", "EnabledServicePrincipals"),
        ("ListInboundResponsibilityTransfers", "ResponsibilityTransfers"),
        ("ListOutboundResponsibilityTransfers", "ResponsibilityTransfers"),
    ] {
        let mut input = json!({});
        if member == "ResponsibilityTransfers" {
            scene.refused(operation, json!({}), "InvalidInputException").await;
            scene.refused(operation, json!({"Type": "RENT"}), "InvalidInputException").await;
            input["Type"] = "BILLING".into();
        }
        assert_eq!(scene.done(operation, input.clone()).await, json!({member: []}), "{operation}");
        input["NextToken"] = "no token".into();
        scene.refused(operation, input, "InvalidInputException").await;
    }
    let alone = Scene::empty();
    assert_eq!(alone.done("ListHandshakesForAccount", json!({})).await["Handshakes"], json!([]));
    for operation in [
        "ListHandshakesForOrganization",
        "ListDelegatedAdministrators",
        "ListAWSServiceAccessForOrganization",
    ] {
        alone.refused(operation, json!({}), "AWSOrganizationsNotInUseException").await;
    }
}

#[tokio::test]
async fn the_service_that_is_asked_about_decides() {
    let scene = Scene::new().await;
    let denying = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"organizations:ServicePrincipal":"sso.amazonaws.com"}}}]}"#;
    let who = scene.world.identities().user("reader", &[denying]);
    for (service, status) in [("sso.amazonaws.com", 400), ("config.amazonaws.com", 200)] {
        let input = json!({"ServicePrincipal": service});
        let answer = scene.call_as(&who, "ListDelegatedAdministrators", input).await;
        assert_eq!(answer.status, status, "{service}: {}", answer.text());
    }
}

#[tokio::test]
async fn no_account_has_an_effective_policy_and_authorization_policies_have_none() {
    let scene = Scene::new().await;
    let own = scene.world.scope().account.as_str().to_owned();
    let asked = |kind: &str, target: Option<&str>| json!({"PolicyType": kind, "TargetId": target});
    for target in [None, Some(own.as_str())] {
        let code = "EffectivePolicyNotFoundException";
        scene.refused("DescribeEffectivePolicy", asked("TAG_POLICY", target), code).await;
    }
    let other = asked("TAG_POLICY", Some("999999999999"));
    scene.refused("DescribeEffectivePolicy", other, "TargetNotFoundException").await;
    let scp = asked("SERVICE_CONTROL_POLICY", None);
    scene.refused("DescribeEffectivePolicy", scp, "InvalidInputException").await;
    let alone = Scene::empty();
    let code = "AWSOrganizationsNotInUseException";
    alone.refused("DescribeEffectivePolicy", asked("TAG_POLICY", None), code).await;
}

/// What is asked for of things that there cannot be, and the answer.
fn described(own: &str) -> [(&'static str, serde_json::Value, &'static str); 9] {
    let effective = |account: &str| json!({"AccountId": account, "PolicyType": "TAG_POLICY"});
    [
        ("ListDelegatedServicesForAccount", json!({"AccountId": own}), "AccountNotRegisteredException"),
        ("ListDelegatedServicesForAccount", json!({"AccountId": "999999999999"}), "AccountNotFoundException"),
        ("DescribeResourcePolicy", json!({}), "ResourcePolicyNotFoundException"),
        (
            "ListAccountsWithInvalidEffectivePolicy",
            json!({"PolicyType": "TAG_POLICY"}),
            "EffectivePolicyNotFoundException",
        ),
        ("ListEffectivePolicyValidationErrors", effective(own), "EffectivePolicyNotFoundException"),
        ("ListEffectivePolicyValidationErrors", effective("999999999999"), "AccountNotFoundException"),
        (
            "DescribeResponsibilityTransfer",
            json!({"Id": "rt-a1b2c3d4"}),
            "ResponsibilityTransferNotFoundException",
        ),
        (
            "ListInboundResponsibilityTransfers",
            json!({"Type": "BILLING", "Id": "rt-a1b2c3d4"}),
            "ResponsibilityTransferNotFoundException",
        ),
        ("DescribeHandshake", json!({"HandshakeId": "h-a1b2c3d4"}), "HandshakeNotFoundException"),
    ]
}

#[tokio::test]
async fn what_there_is_none_of_is_not_found() {
    let (scene, alone) = (Scene::new().await, Scene::empty());
    let own = scene.world.scope().account.as_str().to_owned();
    for (operation, input, code) in described(&own) {
        scene.refused(operation, input.clone(), code).await;
        // AWS: an account in no organisation may ask of handshakes all the same.
        let anywhere = operation == "DescribeHandshake";
        alone
            .refused(operation, input, if anywhere { code } else { "AWSOrganizationsNotInUseException" })
            .await;
    }
    for (operation, input) in [
        ("ListDelegatedServicesForAccount", json!({"AccountId": "1"})),
        ("ListDelegatedServicesForAccount", json!({})),
        ("ListAccountsWithInvalidEffectivePolicy", json!({"PolicyType": "SERVICE_CONTROL_POLICY"})),
        ("ListEffectivePolicyValidationErrors", json!({"AccountId": own, "PolicyType": "X"})),
        ("DescribeResponsibilityTransfer", json!({"Id": "h-a1b2c3d4"})),
        ("DescribeHandshake", json!({"HandshakeId": "x"})),
        ("DescribeHandshake", json!({})),
    ] {
        scene.refused(operation, input, "InvalidInputException").await;
    }
}

#[tokio::test]
async fn whoever_may_not_ask_learns_nothing_not_even_that_there_is_nothing() {
    let scene = Scene::new().await;
    let own = scene.world.scope().account.as_str().to_owned();
    let nobody = scene.world.identities().user("nobody", &[]);
    for (operation, input, _) in described(&own) {
        let answer = scene.call_as(&nobody, operation, input).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{operation}: {}", answer.text());
    }
    // Of transfers neither kind nor direction can be told: what is allowed by them is not allowed.
    let by_direction = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"organizations:*","Resource":"*","Condition":{"StringEqualsIgnoreCase":{"organizations:TransferDirection":["inbound","outbound"]}}}]}"#;
    let who = scene.world.identities().user("payer", &[by_direction]);
    for (operation, input) in [
        ("ListInboundResponsibilityTransfers", json!({"Type": "BILLING"})),
        ("ListOutboundResponsibilityTransfers", json!({"Type": "BILLING"})),
        ("DescribeResponsibilityTransfer", json!({"Id": "rt-a1b2c3d4"})),
    ] {
        let answer = scene.call_as(&who, operation, input).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{operation}: {}", answer.text());
    }
}

#[tokio::test]
async fn services_are_given_access_and_lose_it_and_the_list_is_kept() {
    let scene = Scene::new().await;
    let names = || async {
        let listed = scene.done("ListAWSServiceAccessForOrganization", json!({})).await;
        let listed = listed["EnabledServicePrincipals"].as_array().unwrap().clone();
        listed.iter().map(|entry| crate::text(&entry["ServicePrincipal"])).collect::<Vec<_>>()
    };
    let since = || async {
        let listed = scene.done("ListAWSServiceAccessForOrganization", json!({})).await;
        listed["EnabledServicePrincipals"][0]["DateEnabled"].as_f64().unwrap()
    };
    let service = |name: &str| json!({"ServicePrincipal": name});
    for name in ["sso.amazonaws.com", "config.amazonaws.com"] {
        scene.done("EnableAWSServiceAccess", service(name)).await;
    }
    assert_eq!(names().await, ["config.amazonaws.com", "sso.amazonaws.com"]);
    let first = since().await;
    scene.world.clock.advance_seconds(60);
    scene.done("EnableAWSServiceAccess", service("config.amazonaws.com")).await;
    assert!((since().await - first).abs() < 1.0, "it has had access since before");
    let page = scene.done("ListAWSServiceAccessForOrganization", json!({"MaxResults": 1})).await;
    let next = json!({"MaxResults": 1, "NextToken": page["NextToken"]});
    let page = scene.done("ListAWSServiceAccessForOrganization", next).await;
    assert_eq!(page["EnabledServicePrincipals"][0]["ServicePrincipal"], "sso.amazonaws.com");
    assert_eq!(page["NextToken"], serde_json::Value::Null);

    for operation in ["EnableAWSServiceAccess", "DisableAWSServiceAccess"] {
        for wrong in ["nobody", "123456789012", "sso.example.com", "", "sso amazonaws.com"] {
            scene.refused(operation, service(wrong), "InvalidInputException").await;
        }
        let code = "AWSOrganizationsNotInUseException";
        Scene::empty().refused(operation, service("sso.amazonaws.com"), code).await;
    }
    for _ in 0..2 {
        scene.done("DisableAWSServiceAccess", service("sso.amazonaws.com")).await;
    }
    assert_eq!(names().await, ["config.amazonaws.com"]);
}

#[tokio::test]
async fn which_service_gets_access_is_a_condition_key() {
    let scene = Scene::new().await;
    let only = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["organizations:EnableAWSServiceAccess","organizations:DisableAWSServiceAccess"],"Resource":"*","Condition":{"StringEquals":{"organizations:ServicePrincipal":"sso.amazonaws.com"}}}]}"#;
    let who = scene.world.identities().user("integrator", &[only]);
    for operation in ["EnableAWSServiceAccess", "DisableAWSServiceAccess"] {
        for (service, code) in
            [("sso.amazonaws.com", None), ("config.amazonaws.com", Some("AccessDeniedException"))]
        {
            let answer = scene.call_as(&who, operation, json!({"ServicePrincipal": service})).await;
            assert_eq!(answer.code().as_deref(), code, "{operation} {service}: {}", answer.text());
        }
    }
    let nobody = scene.world.identities().user("nobody", &[]);
    let answer = scene
        .call_as(&nobody, "EnableAWSServiceAccess", json!({"ServicePrincipal": "sso.amazonaws.com"}))
        .await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
}
