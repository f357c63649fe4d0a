//! Batches: many items, each for itself.

use serde_json::{Value, json};

use crate::{Scene, key, note, notes};

fn puts(count: usize) -> Value {
    json!(
        (0..count).map(|n| json!({"PutRequest": {"Item": key("u", &format!("{n:03}"))}})).collect::<Vec<_>>()
    )
}

#[tokio::test]
async fn a_batch_writes_and_reads_several_tables() {
    let scene = Scene::new().await;
    let mut other = notes();
    other["TableName"] = json!("other");
    scene.done("CreateTable", other).await;
    scene.put(key("gone", "x")).await;
    let write = json!({"ReturnConsumedCapacity": "TOTAL", "RequestItems": {
        "notes": [{"PutRequest": {"Item": note("u", "1", json!({"a": {"S": "x"}, "b": {"S": "y"}}))}},
                  {"DeleteRequest": {"Key": key("gone", "x")}}],
        "other": [{"PutRequest": {"Item": key("o", "1")}}]}});
    let answer = scene.done("BatchWriteItem", write).await;
    assert_eq!(answer["UnprocessedItems"], json!({}));
    assert_eq!(answer["ConsumedCapacity"].as_array().unwrap().len(), 2);
    let read = json!({"RequestItems": {
        "notes": {"Keys": [key("u", "1"), key("gone", "x")], "ProjectionExpression": "b"},
        "other": {"Keys": [key("o", "1")]}}});
    let answer = scene.done("BatchGetItem", read).await;
    let expected = json!({"notes": [{"b": {"S": "y"}}], "other": [key("o", "1")]});
    assert_eq!((&answer["Responses"], &answer["UnprocessedKeys"]), (&expected, &json!({})));
}

#[tokio::test]
async fn batches_that_break_the_rules_are_refused_whole() {
    let scene = Scene::new().await;
    let before = scene.world.digest();
    let write = |requests: Value| json!({"RequestItems": {"notes": requests}});
    let put = |item: Value| json!({"PutRequest": {"Item": item}});
    let duplicates = "Provided list of item keys contains duplicates";
    let twice = json!([put(key("u", "1")), {"DeleteRequest": {"Key": key("u", "1")}}]);
    assert_eq!(scene.invalid("BatchWriteItem", write(twice)).await, duplicates);
    let both = json!([{"PutRequest": {"Item": key("u", "1")}, "DeleteRequest": {"Key": key("u", "1")}}]);
    scene.invalid("BatchWriteItem", write(both)).await;
    scene.invalid("BatchWriteItem", write(json!([{}]))).await;
    scene.invalid("BatchWriteItem", write(puts(26))).await;
    scene.invalid("BatchWriteItem", json!({"RequestItems": {}})).await;
    let large = note("u", "2", json!({"a": {"S": "x".repeat(410_000)}}));
    assert_eq!(
        scene.invalid("BatchWriteItem", write(json!([put(key("u", "1")), put(large)]))).await,
        "Item size has exceeded the maximum allowed size"
    );
    let keyless = json!([put(key("u", "1")), put(json!({"pk": {"S": "u"}}))]);
    assert!(scene.invalid("BatchWriteItem", write(keyless)).await.contains("Missing the key sk"));
    let read = |keys: Value| json!({"RequestItems": {"notes": {"Keys": keys}}});
    assert_eq!(scene.invalid("BatchGetItem", read(json!([key("u", "1"), key("u", "1")]))).await, duplicates);
    let many: Vec<Value> = (0..101).map(|n| key("u", &n.to_string())).collect();
    scene.invalid("BatchGetItem", read(json!(many))).await;
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn twenty_five_large_items_fit_one_batch() {
    let scene = Scene::new().await;
    let large = |n: usize| json!({"PutRequest": {"Item": note("u", &format!("{n:03}"), json!({"kind": {"S": "k"}, "a": {"S": "x".repeat(300_000)}}))}});
    let requests: Vec<Value> = (0..25).map(large).collect();
    scene.done("BatchWriteItem", json!({"RequestItems": {"notes": requests}})).await;
    let table = scene.done("DescribeTable", json!({"TableName": "notes"})).await;
    assert_eq!(table["Table"]["ItemCount"], json!(25));
    let keys: Vec<Value> = (0..25).map(|n| key("u", &format!("{n:03}"))).collect();
    let answer = scene.done("BatchGetItem", json!({"RequestItems": {"notes": {"Keys": keys}}})).await;
    assert_eq!(answer["Responses"]["notes"].as_array().unwrap().len(), 25);
}
