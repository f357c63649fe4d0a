//! What one account has, another cannot see, use or delete, even if it names it exactly and its own policies allow all.

use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, Response, World, minimal};
use http::Method;

use crate::{api::input, hints::hints, worlds::everything};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

async fn home_does(
    world: &World,
    who: &Credentials,
    service: &str,
    operation: &str,
    input: Document,
) -> Response {
    let answer = world.call(who, service, operation, input).await;
    assert!(answer.status.is_success(), "{service}:{operation}: {}", answer.text());
    answer
}

async fn foreigner_fails(world: &World, who: &Credentials, service: &str, operation: &str, input: Document) {
    let before = world.digest();
    let answer = world.call(who, service, operation, input).await;
    assert!(answer.status.is_client_error(), "{service}:{operation}: {} {}", answer.status, answer.text());
    assert_eq!(world.digest(), before, "{service}:{operation}");
}

fn people(world: &World) -> (Credentials, Credentials) {
    let home = world.identities().user("admin", &[ALL]);
    let foreign = world.identities().user_of(&world.other_account(), "admin", &[ALL], None);
    (home, foreign)
}

#[tokio::test]
async fn tables_groups_and_pools_belong_to_their_account() {
    let world = everything();
    let (home, foreign) = people(&world);
    let table = r#"{"TableName":"notes","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;
    let request = Request::new(Method::POST, "/")
        .header("x-amz-target", "DynamoDB_20120810.CreateTable")
        .header("content-type", "application/x-amz-json-1.0")
        .body(table)
        .signed(&home, "dynamodb", "us-east-1", world.now());
    assert!(world.send(&request).await.status.is_success());
    home_does(&world, &home, "logs", "CreateLogGroup", input(&[("logGroupName", "group")])).await;
    let pool =
        home_does(&world, &home, "cognito-idp", "CreateUserPool", input(&[("PoolName", "pool")])).await;
    let pool = pool.json()["UserPool"]["Id"].as_str().unwrap().to_owned();
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/notes";
    for name in ["notes", arn] {
        for operation in ["DescribeTable", "DeleteTable", "Scan"] {
            foreigner_fails(&world, &foreign, "dynamodb", operation, input(&[("TableName", name)])).await;
        }
    }
    foreigner_fails(&world, &foreign, "logs", "DeleteLogGroup", input(&[("logGroupName", "group")])).await;
    for operation in ["DescribeUserPool", "DeleteUserPool", "ListUsers", "ListUserPoolClients"] {
        let mut members = input(&[("UserPoolId", &pool)]);
        if operation == "ListUserPoolClients" {
            members.push("MaxResults", 1.into());
        }
        foreigner_fails(&world, &foreign, "cognito-idp", operation, members).await;
    }
    home_does(&world, &home, "cognito-idp", "DescribeUserPool", input(&[("UserPoolId", &pool)])).await;
}

#[tokio::test]
async fn apis_and_stacks_belong_to_their_account() {
    let world = everything();
    let (home, foreign) = people(&world);
    let api = home_does(&world, &home, "apigateway", "CreateRestApi", input(&[("name", "api")])).await;
    let id = api.json()["id"].as_str().unwrap().to_owned();
    for operation in ["GetRestApi", "GetResources", "GetStages", "DeleteRestApi"] {
        foreigner_fails(&world, &foreign, "apigateway", operation, input(&[("restApiId", &id)])).await;
    }
    home_does(&world, &home, "apigateway", "GetRestApi", input(&[("restApiId", &id)])).await;
    let listed = home_does(&world, &foreign, "apigateway", "GetRestApis", Document::empty()).await;
    assert!(!listed.text().contains(&id), "{}", listed.text());
}

#[tokio::test]
async fn identities_belong_to_their_account() {
    let world = everything();
    let (home, foreign) = people(&world);
    home_does(&world, &home, "iam", "CreateUser", input(&[("UserName", "alice")])).await;
    home_does(&world, &home, "iam", "CreateRole", minimal(world.operation("iam", "CreateRole"), &hints))
        .await;
    for (operation, members) in [
        ("GetUser", input(&[("UserName", "alice")])),
        ("CreateAccessKey", input(&[("UserName", "alice")])),
        ("DeleteUser", input(&[("UserName", "alice")])),
        ("GetRole", input(&[("RoleName", "RoleName")])),
        ("DeleteRole", input(&[("RoleName", "RoleName")])),
    ] {
        foreigner_fails(&world, &foreign, "iam", operation, members).await;
    }
    let listed = home_does(&world, &foreign, "iam", "ListUsers", Document::empty()).await;
    assert!(!listed.text().contains("alice"), "{}", listed.text());
}
