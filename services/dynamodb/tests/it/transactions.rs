//! Transactions: all or none, and why not.

use serde_json::{Value, json};

use crate::{Scene, key, note, pair};

fn put(item: Value) -> Value {
    json!({"Put": {"TableName": "notes", "Item": item}})
}

fn transact(items: &[Value]) -> Value {
    json!({"TransactItems": items})
}

#[tokio::test]
async fn all_members_happen_together() {
    let scene = Scene::new().await;
    scene.put(note("u", "old", json!({"n": {"N": "1"}}))).await;
    scene.put(key("u", "gone")).await;
    let members = [
        put(key("u", "new")),
        json!({"Update": {"TableName": "notes", "Key": key("u", "old"), "UpdateExpression": "ADD n :one",
                          "ExpressionAttributeValues": {":one": {"N": "1"}}}}),
        json!({"Delete": {"TableName": "notes", "Key": key("u", "gone")}}),
        json!({"ConditionCheck": {"TableName": "notes", "Key": key("u", "none"),
                                  "ConditionExpression": "attribute_not_exists(pk)"}}),
    ];
    scene.done("TransactWriteItems", transact(&members)).await;
    let get = |sk: &str| json!({"Get": {"TableName": "notes", "Key": key("u", sk), "ProjectionExpression": "sk, n"}});
    let answer = scene.done("TransactGetItems", transact(&[get("old"), get("gone"), get("new")])).await;
    let expected =
        json!([{"Item": {"sk": {"S": "old"}, "n": {"N": "2"}}}, {}, {"Item": {"sk": {"S": "new"}}}]);
    assert_eq!(answer["Responses"], expected);
}

#[tokio::test]
async fn one_failing_member_cancels_all_and_is_named() {
    let scene = Scene::new().await;
    scene.put(note("u", "have", json!({"n": {"S": "text"}}))).await;
    let before = scene.world.digest();
    let members = [
        put(key("u", "new")),
        json!({"Put": {"TableName": "notes", "Item": key("u", "have"), "ConditionExpression": "attribute_not_exists(pk)",
                       "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}),
        json!({"Update": {"TableName": "notes", "Key": key("u", "x"), "UpdateExpression": "SET a = b"}}),
        json!({"Delete": {"TableName": "notes", "Key": {"pk": {"S": "u"}}}}),
    ];
    let answer = scene.call("TransactWriteItems", transact(&members)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_deref()),
        (400, Some("TransactionCanceledException"))
    );
    assert_eq!(
        answer.message(),
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ValidationError, ValidationError]"
    );
    let reasons = answer.json()["CancellationReasons"].clone();
    assert_eq!(reasons[0], json!({"Code": "None"}));
    assert_eq!(reasons[1]["Item"], note("u", "have", json!({"n": {"S": "text"}})));
    assert_eq!(reasons[3]["Message"], json!("The provided key element does not match the schema"));
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn malformed_transactions_are_refused() {
    let scene = Scene::new().await;
    let before = scene.world.digest();
    let one_item = "Transaction request cannot include multiple operations on one item";
    assert_eq!(
        scene.invalid("TransactWriteItems", transact(&[put(key("u", "1")), put(key("u", "1"))])).await,
        one_item
    );
    let get = json!({"Get": {"TableName": "notes", "Key": key("u", "1")}});
    assert_eq!(scene.invalid("TransactGetItems", transact(&[get.clone(), get])).await, one_item);
    let one_kind = "TransactItems can only contain one of Check, Put, Update or Delete";
    let mut both = put(key("u", "1"));
    both["Delete"] = json!({"TableName": "notes", "Key": key("u", "2")});
    assert_eq!(scene.invalid("TransactWriteItems", transact(&[both])).await, one_kind);
    scene.invalid("TransactWriteItems", transact(&[])).await;
    let many: Vec<Value> = (0..101).map(|n| put(key("u", &n.to_string()))).collect();
    scene.invalid("TransactWriteItems", transact(&many)).await;
    let large: Vec<Value> =
        (0..12).map(|n| put(note("u", &n.to_string(), json!({"a": {"S": "x".repeat(390_000)}})))).collect();
    scene.invalid("TransactWriteItems", transact(&large)).await;
    let broken = json!({"Update": {"TableName": "notes", "Key": key("u", "1"), "UpdateExpression": "SET"}});
    assert!(scene.invalid("TransactWriteItems", transact(&[broken])).await.contains("Syntax error"));
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn a_token_makes_a_transaction_happen_once_for_ten_minutes() {
    let scene = Scene::new().await;
    let add = |amount: &str| {
        json!({"ClientRequestToken": "token-1", "TransactItems": [{"Update": {"TableName": "notes", "Key": key("u", "n"),
               "UpdateExpression": "ADD n :v", "ExpressionAttributeValues": {":v": {"N": amount}}}}]})
    };
    let count = async || scene.get("u", "n").await["n"]["N"].clone();
    scene.done("TransactWriteItems", add("1")).await;
    scene.done("TransactWriteItems", add("1")).await;
    assert_eq!(count().await, json!("1"));
    let (code, _) = scene.refused("TransactWriteItems", add("2")).await;
    assert_eq!(code, "IdempotentParameterMismatchException");
    scene.world.clock.advance_seconds(601);
    scene.done("TransactWriteItems", add("1")).await;
    assert_eq!(count().await, json!("2"));
}

#[tokio::test]
async fn a_cancelled_transaction_does_not_use_its_token_up() {
    let scene = Scene::new().await;
    let input = json!({"ClientRequestToken": "token-2", "TransactItems": [{"Put": {"TableName": "notes",
        "Item": key("u", "n"), "ConditionExpression": "attribute_exists(pk)"}}]});
    assert_eq!(scene.refused("TransactWriteItems", input.clone()).await.0, "TransactionCanceledException");
    scene.put(key("u", "n")).await;
    scene.done("TransactWriteItems", input).await;
    let missing = pair("ResourceNotFoundException", "Requested resource not found");
    let none = json!({"TransactItems": [{"Put": {"TableName": "none", "Item": key("u", "n")}}]});
    assert_eq!(scene.refused("TransactWriteItems", none).await, missing);
}
