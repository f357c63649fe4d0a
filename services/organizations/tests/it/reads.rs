//! Reads of what an organisation here never has: invitations, delegated administrators, services with access to it all,
//! policies that are not about rights.

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
    ] {
        assert_eq!(scene.done(operation, json!({})).await, json!({member: []}), "{operation}");
        scene.refused(operation, json!({"NextToken": "no token"}), "InvalidInputException").await;
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
