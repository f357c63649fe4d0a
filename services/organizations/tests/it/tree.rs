//! CreateOrganization, DescribeOrganization, DeleteOrganization, ListRoots, CreateOrganizationalUnit,
//! DescribeOrganizationalUnit, UpdateOrganizationalUnit, DeleteOrganizationalUnit, ListOrganizationalUnitsForParent,
//! ListParents, ListChildren, ListAccounts, ListAccountsForParent, DescribeAccount, MoveAccount,
//! RemoveAccountFromOrganization, CloseAccount, CreateAccount, DescribeCreateAccountStatus, ListCreateAccountStatus.

use serde_json::json;

use crate::{Scene, text};

const HOME: &str = "123456789012";

#[tokio::test]
async fn an_organization_is_founded_once_and_deleted_when_empty() {
    let scene = Scene::empty();
    scene.refused("DescribeOrganization", json!({}), "AWSOrganizationsNotInUseException").await;
    let made = scene.done("CreateOrganization", json!({"FeatureSet": "ALL"})).await;
    let organization = &made["Organization"];
    let id = text(&organization["Id"]);
    assert!(id.starts_with("o-") && id.len() == 12, "{id}");
    assert_eq!(organization["MasterAccountId"], HOME);
    assert_eq!(organization["Arn"], format!("arn:aws:organizations::{HOME}:organization/{id}"));
    scene.refused("CreateOrganization", json!({}), "AlreadyInOrganizationException").await;
    assert_eq!(scene.done("DescribeOrganization", json!({})).await["Organization"]["Id"], id.as_str());
    let unit = scene.unit(&scene.root().await, "unit").await;
    scene.refused("DeleteOrganization", json!({}), "OrganizationNotEmptyException").await;
    scene.done("DeleteOrganizationalUnit", json!({"OrganizationalUnitId": unit})).await;
    scene.done("DeleteOrganization", json!({})).await;
    scene.refused("ListRoots", json!({}), "AWSOrganizationsNotInUseException").await;
}

#[tokio::test]
async fn units_have_names_of_their_own_among_siblings() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let (a, b) = (scene.unit(&root, "a").await, scene.unit(&root, "b").await);
    assert!(a.starts_with(&format!("ou-{}-", root.trim_start_matches("r-"))), "{a}");
    let twice = json!({"ParentId": root, "Name": "a"});
    scene.refused("CreateOrganizationalUnit", twice, "DuplicateOrganizationalUnitException").await;
    let rename = json!({"OrganizationalUnitId": b, "Name": "a"});
    scene.refused("UpdateOrganizationalUnit", rename, "DuplicateOrganizationalUnitException").await;
    let below = scene.unit(&a, "a").await;
    let renamed =
        scene.done("UpdateOrganizationalUnit", json!({"OrganizationalUnitId": b, "Name": "c"})).await;
    assert_eq!(renamed["OrganizationalUnit"]["Name"], "c");
    let described = scene.done("DescribeOrganizationalUnit", json!({"OrganizationalUnitId": below})).await;
    assert_eq!(described["OrganizationalUnit"]["Name"], "a");
    let parents = scene.done("ListParents", json!({"ChildId": below})).await;
    assert_eq!(parents["Parents"], json!([{"Id": a, "Type": "ORGANIZATIONAL_UNIT"}]));
    let full = json!({"OrganizationalUnitId": a});
    scene.refused("DeleteOrganizationalUnit", full, "OrganizationalUnitNotEmptyException").await;
}

#[tokio::test]
async fn the_sixth_unit_below_each_other_is_refused() {
    let scene = Scene::new().await;
    let mut parent = scene.root().await;
    for _ in 0..5 {
        parent = scene.unit(&parent, "unit").await;
    }
    let sixth = json!({"ParentId": parent, "Name": "unit"});
    let error = scene.refused("CreateOrganizationalUnit", sixth, "ConstraintViolationException").await;
    assert_eq!(error["Reason"], "OU_DEPTH_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn what_does_not_exist_is_named_by_kind() {
    let scene = Scene::new().await;
    let (root, unit, account) = (scene.root().await, "ou-zzzz-zzzzzzzz", "999999999999");
    for (operation, input, code) in [
        ("ListOrganizationalUnitsForParent", json!({"ParentId": unit}), "ParentNotFoundException"),
        ("ListAccountsForParent", json!({"ParentId": unit}), "ParentNotFoundException"),
        ("ListChildren", json!({"ParentId": unit, "ChildType": "ACCOUNT"}), "ParentNotFoundException"),
        ("ListParents", json!({"ChildId": account}), "ChildNotFoundException"),
        ("CreateOrganizationalUnit", json!({"ParentId": unit, "Name": "x"}), "ParentNotFoundException"),
        (
            "DescribeOrganizationalUnit",
            json!({"OrganizationalUnitId": unit}),
            "OrganizationalUnitNotFoundException",
        ),
        ("DescribeAccount", json!({"AccountId": account}), "AccountNotFoundException"),
        ("CloseAccount", json!({"AccountId": account}), "AccountNotFoundException"),
        ("RemoveAccountFromOrganization", json!({"AccountId": account}), "AccountNotFoundException"),
        (
            "MoveAccount",
            json!({"AccountId": HOME, "SourceParentId": root, "DestinationParentId": unit}),
            "DestinationParentNotFoundException",
        ),
        (
            "MoveAccount",
            json!({"AccountId": HOME, "SourceParentId": unit, "DestinationParentId": root}),
            "SourceParentNotFoundException",
        ),
        (
            "DescribeCreateAccountStatus",
            json!({"CreateAccountRequestId": "car-00000000"}),
            "CreateAccountStatusNotFoundException",
        ),
    ] {
        scene.refused(operation, input, code).await;
    }
}

#[tokio::test]
async fn the_management_account_moves_but_neither_leaves_nor_closes() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let unit = scene.unit(&root, "unit").await;
    let account = json!({"AccountId": HOME});
    scene
        .refused("RemoveAccountFromOrganization", account.clone(), "MasterCannotLeaveOrganizationException")
        .await;
    scene.refused("CloseAccount", account.clone(), "ConstraintViolationException").await;
    let to =
        |from: &str, to: &str| json!({"AccountId": HOME, "SourceParentId": from, "DestinationParentId": to});
    scene.refused("MoveAccount", to(&root, &root), "DuplicateAccountException").await;
    scene.done("MoveAccount", to(&root, &unit)).await;
    for (parent, count) in [(&root, 0), (&unit, 1)] {
        let listed = scene.done("ListAccountsForParent", json!({"ParentId": parent})).await;
        assert_eq!(listed["Accounts"].as_array().unwrap().len(), count, "{parent}");
        let children = scene.done("ListChildren", json!({"ParentId": parent, "ChildType": "ACCOUNT"})).await;
        assert_eq!(children["Children"].as_array().unwrap().len(), count, "{parent}");
    }
    let described = scene.done("DescribeAccount", account).await;
    assert_eq!(described["Account"]["Status"], "ACTIVE");
    assert_eq!(scene.done("ListAccounts", json!({})).await["Accounts"][0]["Id"], HOME);
}

#[tokio::test]
async fn every_unit_is_listed_once_over_pages() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let mut made = Vec::new();
    for n in 0..7 {
        made.push(scene.unit(&root, &format!("unit {n}")).await);
    }
    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut input = json!({"ParentId": root, "MaxResults": 3});
        if let Some(token) = &token {
            input["NextToken"] = json!(token);
        }
        let page = scene.done("ListOrganizationalUnitsForParent", input).await;
        let units = page["OrganizationalUnits"].as_array().unwrap();
        assert!(units.len() <= 3);
        seen.extend(units.iter().map(|unit| text(&unit["Id"])));
        token = page["NextToken"].as_str().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    made.sort();
    assert_eq!(seen, made);
    let forged = json!({"ParentId": root, "NextToken": "zz"});
    scene.refused("ListOrganizationalUnitsForParent", forged, "InvalidInputException").await;
}

#[tokio::test]
async fn an_account_whose_role_cannot_be_made_is_no_member() {
    // There is no identity service here that would make the role.
    let scene = Scene::new().await;
    let made = scene.done("CreateAccount", json!({"AccountName": "a", "Email": "a@example.com"})).await;
    let status = &made["CreateAccountStatus"];
    assert_eq!((&status["State"], &status["FailureReason"]), (&json!("FAILED"), &json!("INTERNAL_FAILURE")));
    assert!(status["AccountId"].is_null(), "{status}");
    let accounts = scene.done("ListAccounts", json!({})).await;
    assert_eq!(accounts["Accounts"].as_array().unwrap().len(), 1, "{accounts}");
    let id = json!({"CreateAccountRequestId": status["Id"]});
    let described = scene.done("DescribeCreateAccountStatus", id).await;
    assert_eq!(&described["CreateAccountStatus"], status);
    for (state, count) in [("FAILED", 1), ("SUCCEEDED", 0)] {
        let listed = scene.done("ListCreateAccountStatus", json!({"States": [state]})).await;
        assert_eq!(listed["CreateAccountStatuses"].as_array().unwrap().len(), count, "{state}");
    }
}
