//! A table against a map: after any sequence of writes, the table and every index show what the map says.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{Scene, key, note};

type Map = BTreeMap<(String, String), Value>;

/// One write: which item, what kind of write, and with which kind and time.
type Step = (u8, u8, u8, Option<u8>, Option<i8>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3_u8, 0..4_u8, 0..5_u8, proptest::option::of(0..3_u8), proptest::option::of(-3..3_i8));
    proptest::collection::vec(step, 1..40)
}

fn rest(kind: Option<u8>, at: Option<i8>) -> Value {
    let mut rest = json!({"title": {"S": "t"}});
    if let Some(kind) = kind {
        rest["kind"] = json!({"S": format!("k{kind}")});
    }
    if let Some(at) = at {
        rest["at"] = json!({"N": at.to_string()});
    }
    rest
}

/// Does the write, on the table and on the map.
async fn apply(scene: &Scene, map: &mut Map, (pk, sk, write, kind, at): Step) {
    let (pk, sk) = (format!("p{pk}"), format!("s{sk}"));
    let id = (pk.clone(), sk.clone());
    let item = note(&pk, &sk, rest(kind, at));
    match write {
        0 => {
            scene.done("DeleteItem", json!({"TableName": "notes", "Key": key(&pk, &sk)})).await;
            map.remove(&id);
        }
        1 => {
            scene.put(item.clone()).await;
            map.insert(id, item);
        }
        2 => {
            let input = json!({"TableName": "notes", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"});
            let status = scene.call("PutItem", input).await.status;
            assert_eq!(status == 200, !map.contains_key(&id));
            map.entry(id).or_insert(item);
        }
        3 => {
            let put = json!({"PutRequest": {"Item": item}});
            scene.done("BatchWriteItem", json!({"RequestItems": {"notes": [put]}})).await;
            map.insert(id, item);
        }
        _ => {
            let update = json!({"TableName": "notes", "Key": key(&pk, &sk), "UpdateExpression": "SET kind = :k REMOVE #at",
                "ExpressionAttributeNames": {"#at": "at"}, "ExpressionAttributeValues": {":k": {"S": "k0"}}});
            scene.done("TransactWriteItems", json!({"TransactItems": [{"Update": update}]})).await;
            let entry = map.entry(id).or_insert_with(|| key(&pk, &sk));
            entry["kind"] = json!({"S": "k0"});
            entry.as_object_mut().unwrap().remove("at");
        }
    }
}

/// All items of a query or scan, over pages of three.
async fn pages(scene: &Scene, operation: &str, mut input: Value) -> Vec<Value> {
    input["TableName"] = json!("notes");
    input["Limit"] = json!(3);
    let mut found = Vec::new();
    loop {
        let answer = scene.done(operation, input.clone()).await;
        found.extend(answer["Items"].as_array().unwrap().clone());
        match answer.get("LastEvaluatedKey") {
            Some(last) => input["ExclusiveStartKey"] = last.clone(),
            None => return found,
        }
    }
}

fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(|item| (item["pk"].to_string(), item["sk"].to_string()));
    items
}

async fn compare(scene: &Scene, map: &Map) {
    let all: Vec<Value> = map.values().cloned().collect();
    assert_eq!(sorted(pages(scene, "Scan", json!({})).await), sorted(all.clone()));
    for pk in ["p0", "p1", "p2"] {
        let input =
            json!({"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": pk}}});
        let expected: Vec<Value> =
            map.iter().filter(|((p, _), _)| p == pk).map(|(_, item)| item.clone()).collect();
        assert_eq!(pages(scene, "Query", input.clone()).await, expected);
        let mut by_time = input;
        by_time["IndexName"] = json!("by-time");
        by_time["ProjectionExpression"] = json!("#at");
        by_time["ExpressionAttributeNames"] = json!({"#at": "at"});
        let times: Vec<i64> = pages(scene, "Query", by_time)
            .await
            .iter()
            .map(|item| item["at"]["N"].as_str().unwrap().parse().unwrap())
            .collect();
        let mut expected: Vec<i64> =
            expected.iter().filter_map(|item| item["at"]["N"].as_str()).map(|n| n.parse().unwrap()).collect();
        expected.sort_unstable();
        assert_eq!(times, expected);
    }
    for kind in ["k0", "k1", "k2"] {
        let input = json!({"IndexName": "all", "KeyConditionExpression": "kind = :k",
                           "ExpressionAttributeValues": {":k": {"S": kind}}});
        let expected = all.iter().filter(|item| item["kind"]["S"] == kind).cloned().collect();
        assert_eq!(sorted(pages(scene, "Query", input).await), sorted(expected));
    }
    let table = scene.done("DescribeTable", json!({"TableName": "notes"})).await;
    assert_eq!(table["Table"]["ItemCount"], json!(all.len()));
    let indexed = all.iter().filter(|item| item.get("kind").is_some()).count();
    assert_eq!(table["Table"]["GlobalSecondaryIndexes"][1]["ItemCount"], json!(indexed));
}

#[test]
fn table_and_indexes_show_what_a_map_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let scene = Scene::new().await;
            let mut map = Map::new();
            for step in steps {
                apply(&scene, &mut map, step).await;
            }
            compare(&scene, &map).await;
            for (pk, sk) in map.keys() {
                scene.done("DeleteItem", json!({"TableName": "notes", "Key": key(pk, sk)})).await;
            }
            compare(&scene, &Map::new()).await;
        });
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
}
