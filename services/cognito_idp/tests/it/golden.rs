//! Bytes on the wire, for answers that hold nothing random.

use casemate_testkit::{Request, golden};

use crate::scene::{doc, j, world};

async fn transcript(operation: &str, input: serde_json::Value, signed: bool) -> String {
    let world = world();
    let meta = world.operation("cognito-idp", operation);
    let request = if signed {
        world.request(&world.identities().root(), "cognito-idp", operation, &doc(&input))
    } else {
        Request::of(meta, &doc(&input))
    };
    world.transcript(&request).await
}

#[tokio::test]
async fn initiate_auth_with_an_unknown_client() {
    let input = j!({ "ClientId": "nobody", "AuthFlow": "USER_SRP_AUTH",
        "AuthParameters": { "USERNAME": "alice", "SRP_A": "abc" } });
    golden!("initiate_auth/unknown_client.http", transcript("InitiateAuth", input, false).await);
}

#[tokio::test]
async fn initiate_auth_with_an_unknown_flow() {
    let input = j!({ "ClientId": "nobody", "AuthFlow": "SUPER_AUTH" });
    golden!("initiate_auth/unknown_flow.http", transcript("InitiateAuth", input, false).await);
}

#[tokio::test]
async fn get_user_with_a_worthless_token() {
    golden!(
        "get_user/worthless_token.http",
        transcript("GetUser", j!({ "AccessToken": "a.b.c" }), false).await
    );
}

#[tokio::test]
async fn list_user_pools_without_any() {
    golden!("list_user_pools/none.http", transcript("ListUserPools", j!({ "MaxResults": 10 }), true).await);
}

#[tokio::test]
async fn list_user_pools_without_a_signature() {
    golden!(
        "list_user_pools/unsigned.http",
        transcript("ListUserPools", j!({ "MaxResults": 10 }), false).await
    );
}
