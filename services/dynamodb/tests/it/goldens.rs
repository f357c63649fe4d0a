//! Whole exchanges, byte for byte, and what every operation needs.

use casemate_testkit::{access_table, golden};
use serde_json::json;

use crate::{Scene, key, note, notes, refusals::hints, request, world};

#[tokio::test]
async fn exchanges_stay_as_they_are() {
    let scene = Scene::empty();
    let transcript = async |operation, input| {
        scene.world.transcript(&request(&scene.world, &scene.admin, operation, &input)).await
    };
    golden!("create_table/created.http", transcript("CreateTable", notes()).await);
    let item = note("u", "1", json!({"title": {"S": "é"}, "n": {"N": "1.50"}, "kind": {"S": "k"}}));
    golden!("put_item/new.http", transcript("PutItem", json!({"TableName": "notes", "Item": item})).await);
    golden!(
        "get_item/found.http",
        transcript("GetItem", json!({"TableName": "notes", "Key": key("u", "1")})).await
    );
    golden!(
        "get_item/none.http",
        transcript("GetItem", json!({"TableName": "notes", "Key": key("u", "2")})).await
    );
    let failing = json!({"TableName": "notes", "Item": key("u", "1"), "ConditionExpression": "attribute_not_exists(pk)"});
    golden!("put_item/condition_failed.http", transcript("PutItem", failing.clone()).await);
    let cancelled = json!({"TransactItems": [{"Put": failing}]});
    golden!("transact_write_items/cancelled.http", transcript("TransactWriteItems", cancelled).await);
    let query = json!({"TableName": "notes", "KeyConditionExpression": "pk = :p", "Limit": 1,
                       "ExpressionAttributeValues": {":p": {"S": "u"}}});
    golden!("query/page.http", transcript("Query", query).await);
    golden!("delete_table/missing.http", transcript("DeleteTable", json!({"TableName": "none"})).await);
}

#[test]
fn what_operations_need_stays_as_it_is() {
    golden!("access.golden", access_table(&world(), &hints));
}
