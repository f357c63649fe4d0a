//! Secondary indexes: what they show, and that they never disagree with their table.

use serde_json::{Value, json};

use crate::{Scene, key, note, schema, texts};

fn by_kind(kind: &str) -> Value {
    json!({"TableName": "notes", "IndexName": "by-kind", "KeyConditionExpression": "kind = :k",
           "ExpressionAttributeValues": {":k": {"S": kind}}})
}

#[tokio::test]
async fn an_index_is_sparse_and_follows_every_change() {
    let scene = Scene::new().await;
    scene.put(note("u", "1", json!({"kind": {"S": "a"}, "title": {"S": "t"}, "body": {"S": "b"}}))).await;
    scene.put(note("u", "2", json!({"title": {"S": "no kind"}}))).await;
    let answer = scene.done("Query", by_kind("a")).await;
    assert_eq!(answer["Items"], json!([note("u", "1", json!({"kind": {"S": "a"}, "title": {"S": "t"}}))]));
    let update = |expression: &str, sk: &str, value: &str| {
        json!({"TableName": "notes", "Key": key("u", sk), "UpdateExpression": expression,
               "ExpressionAttributeValues": {":v": {"S": value}}})
    };
    scene.done("UpdateItem", update("SET kind = :v", "2", "a")).await;
    assert_eq!(texts(&scene.done("Query", by_kind("a")).await, "sk"), ["1", "2"]);
    scene.done("UpdateItem", update("SET kind = :v", "1", "b")).await;
    assert_eq!(texts(&scene.done("Query", by_kind("a")).await, "sk"), ["2"]);
    assert_eq!(texts(&scene.done("Query", by_kind("b")).await, "sk"), ["1"]);
    scene.done("UpdateItem", update("SET title = :v", "1", "new")).await;
    assert_eq!(texts(&scene.done("Query", by_kind("b")).await, "title"), ["new"]);
    scene.put(key("u", "1")).await;
    scene.done("DeleteItem", json!({"TableName": "notes", "Key": key("u", "2")})).await;
    let all = scene.done("Scan", json!({"TableName": "notes", "IndexName": "all"})).await;
    assert_eq!(all["Count"], json!(0));
    let table = scene.done("DescribeTable", json!({"TableName": "notes"})).await["Table"].clone();
    assert_eq!(
        (&table["ItemCount"], &table["GlobalSecondaryIndexes"][0]["ItemCount"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn a_local_index_orders_by_its_own_key_and_can_fetch_the_rest() {
    let scene = Scene::new().await;
    for (sk, at) in [("a", "10"), ("b", "-5"), ("c", "2.5")] {
        scene.put(note("u", sk, json!({"at": {"N": at}, "title": {"S": sk}}))).await;
    }
    let mut input = json!({"TableName": "notes", "IndexName": "by-time", "ConsistentRead": true,
        "KeyConditionExpression": "pk = :p AND #at < :max", "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {":p": {"S": "u"}, ":max": {"N": "10"}}});
    let answer = scene.done("Query", input.clone()).await;
    assert_eq!(texts(&answer, "sk"), ["b", "c"]);
    assert_eq!(answer["Items"][0].get("title"), None);
    input["ProjectionExpression"] = json!("title");
    assert_eq!(texts(&scene.done("Query", input.clone()).await, "title"), ["b", "c"]);
    input.as_object_mut().unwrap().remove("ProjectionExpression");
    input["Select"] = json!("ALL_ATTRIBUTES");
    assert_eq!(texts(&scene.done("Query", input).await, "title"), ["b", "c"]);
}

#[tokio::test]
async fn a_global_index_refuses_what_it_cannot_show() {
    let scene = Scene::new().await;
    let with = |name: &str, value: Value| {
        let mut input = by_kind("a");
        input[name] = value;
        input
    };
    assert_eq!(
        scene.invalid("Query", with("ConsistentRead", json!(true))).await,
        "Consistent reads are not supported on global secondary indexes"
    );
    assert!(
        scene
            .invalid("Query", with("Select", json!("ALL_ATTRIBUTES")))
            .await
            .contains("projection type is not ALL")
    );
    assert_eq!(
        scene.invalid("Query", with("ProjectionExpression", json!("body, title"))).await,
        "One or more parameter values were invalid: Global secondary index by-kind does not project [body]"
    );
}

#[tokio::test]
async fn pages_of_an_index_cover_items_that_share_a_key() {
    let scene = Scene::new().await;
    for n in 0..7 {
        scene.put(note(&format!("u{n}"), "same", json!({"kind": {"S": "a"}}))).await;
    }
    for forward in [true, false] {
        let mut input = by_kind("a");
        input["Limit"] = json!(3);
        input["ScanIndexForward"] = json!(forward);
        let mut found = Vec::new();
        loop {
            let answer = scene.done("Query", input.clone()).await;
            found.extend(texts(&answer, "pk"));
            match answer.get("LastEvaluatedKey") {
                Some(last) => {
                    assert_eq!(last.as_object().unwrap().len(), 3);
                    input["ExclusiveStartKey"] = last.clone();
                }
                None => break,
            }
        }
        found.sort();
        assert_eq!(found, ["u0", "u1", "u2", "u3", "u4", "u5", "u6"]);
    }
}

#[tokio::test]
async fn a_new_index_is_filled_with_what_was_there_and_a_removed_one_leaves_nothing() {
    let scene = Scene::new().await;
    for n in 0..150 {
        scene.put(note("u", &format!("{n:03}"), json!({"tag": {"S": "x"}, "body": {"S": "b"}}))).await;
    }
    scene.put(note("u", "odd", json!({"tag": {"N": "1"}}))).await;
    let without = scene.world.digest();
    let create = json!({"TableName": "notes",
        "AttributeDefinitions": [{"AttributeName": "tag", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {"IndexName": "by-tag", "KeySchema": schema("tag", Some("sk")),
            "Projection": {"ProjectionType": "KEYS_ONLY"}}}]});
    let table = scene.done("UpdateTable", create).await["TableDescription"].clone();
    let index = &table["GlobalSecondaryIndexes"][2];
    assert_eq!((&index["IndexStatus"], &index["ItemCount"]), (&json!("ACTIVE"), &json!(150)));
    let query = json!({"TableName": "notes", "IndexName": "by-tag", "KeyConditionExpression": "tag = :t",
        "ExpressionAttributeValues": {":t": {"S": "x"}}});
    let answer = scene.done("Query", query.clone()).await;
    assert_eq!((&answer["Count"], answer["Items"][0].get("body")), (&json!(150), None));
    // The item that does not fit can still be replaced.
    scene.put(note("u", "odd", json!({"tag": {"S": "x"}}))).await;
    assert_eq!(scene.done("Query", query.clone()).await["Count"], json!(151));
    scene
        .done(
            "UpdateTable",
            json!({"TableName": "notes",
        "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-tag"}}]}),
        )
        .await;
    assert!(scene.invalid("Query", query).await.contains("does not have the specified index"));
    scene.put(note("u", "odd", json!({"tag": {"N": "1"}}))).await;
    assert_eq!(scene.world.digest(), without);
}
