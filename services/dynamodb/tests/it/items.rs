//! Putting, getting, updating and deleting single items.

use serde_json::{Value, json};

use crate::{Scene, key, note, pair};

#[tokio::test]
async fn every_type_comes_back_as_it_was_sent() {
    let scene = Scene::new().await;
    let item = note(
        "u",
        "n",
        json!({
            "text": {"S": "é\u{0}"}, "empty": {"S": ""}, "number": {"N": "-12.5"}, "bytes": {"B": "AAH/"},
            "yes": {"BOOL": true}, "nothing": {"NULL": true}, "list": {"L": [{"S": "a"}, {"L": []}]},
            "map": {"M": {"x": {"N": "0"}, "y": {"M": {}}}}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.5"]},
            "bs": {"BS": ["AA==", "AQ=="]},
        }),
    );
    scene.put(item.clone()).await;
    assert_eq!(scene.get("u", "n").await, item);
    assert_eq!(scene.get("u", "other").await, Value::Null);
}

#[tokio::test]
async fn numbers_come_back_in_canonical_form() {
    let scene = Scene::new().await;
    scene.put(note("u", "n", json!({"a": {"N": "001.500"}, "b": {"N": "1E3"}, "c": {"N": "-0"}}))).await;
    let item = scene.get("u", "n").await;
    assert_eq!(
        (&item["a"]["N"], &item["b"]["N"], &item["c"]["N"]),
        (&json!("1.5"), &json!("1000"), &json!("0"))
    );
}

#[tokio::test]
async fn a_projection_shows_only_what_it_names() {
    let scene = Scene::new().await;
    scene.put(note("u", "n", json!({"a": {"S": "1"}, "m": {"M": {"x": {"S": "2"}, "y": {"S": "3"}}}}))).await;
    let input = json!({"TableName": "notes", "Key": key("u", "n"), "ProjectionExpression": "#a, m.y",
                       "ExpressionAttributeNames": {"#a": "a"}});
    let item = scene.done("GetItem", input).await["Item"].clone();
    assert_eq!(item, json!({"a": {"S": "1"}, "m": {"M": {"y": {"S": "3"}}}}));
    let legacy = json!({"TableName": "notes", "Key": key("u", "n"), "AttributesToGet": ["a", "none"]});
    assert_eq!(scene.done("GetItem", legacy).await["Item"], json!({"a": {"S": "1"}}));
}

#[tokio::test]
async fn keys_that_do_not_fit_the_schema_are_refused() {
    let scene = Scene::new().await;
    let before = scene.world.digest();
    let get = |key: Value| json!({"TableName": "notes", "Key": key});
    let mismatch = "The provided key element does not match the schema";
    for wrong in [
        json!({}),
        json!({"pk": {"S": "u"}}),
        json!({"pk": {"S": "u"}, "sk": {"N": "1"}}),
        json!({"pk": {"S": "u"}, "sk": {"S": "n"}, "more": {"S": "x"}}),
    ] {
        assert_eq!(scene.invalid("GetItem", get(wrong.clone())).await, mismatch);
        assert_eq!(scene.invalid("DeleteItem", get(wrong.clone())).await, mismatch);
        assert_eq!(scene.invalid("UpdateItem", get(wrong)).await, mismatch);
    }
    let empty = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk";
    assert_eq!(scene.invalid("GetItem", get(key("", "n"))).await, empty);
    let put = |item: Value| json!({"TableName": "notes", "Item": item});
    let invalid = "One or more parameter values were invalid: ";
    for (item, text) in [
        (json!({"pk": {"S": "u"}}), "Missing the key sk in the item"),
        (json!({"pk": {"N": "1"}, "sk": {"S": "n"}}), "Type mismatch for key pk expected: S actual: N"),
        (key(&"x".repeat(2049), "n"), "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        (
            key("u", &"x".repeat(1025)),
            "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ),
        (
            note("u", "n", json!({"kind": {"N": "1"}})),
            "Type mismatch for Index Key kind Expected: S Actual: N IndexName: by-kind",
        ),
    ] {
        assert_eq!(scene.invalid("PutItem", put(item)).await, format!("{invalid}{text}"));
    }
    assert!(
        scene
            .invalid("PutItem", put(note("u", "n", json!({"kind": {"S": ""}}))))
            .await
            .contains("IndexKey: kind")
    );
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn values_that_are_none_are_refused() {
    let scene = Scene::new().await;
    let put = |value: Value| json!({"TableName": "notes", "Item": note("u", "n", json!({"a": value}))});
    for (value, text) in [
        (json!({}), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (json!({"N": "abc"}), "The parameter cannot be converted to a numeric value: abc"),
        (json!({"N": "1E126"}), "Number overflow."),
        (json!({"N": "9".repeat(39)}), "Attempting to store more than 38 significant digits in a Number"),
        (json!({"SS": []}), "One or more parameter values were invalid: An string set  may not be empty"),
        (
            json!({"SS": ["a", "a"]}),
            "One or more parameter values were invalid: Input collection [a, a] contains duplicates.",
        ),
        (
            json!({"NULL": false}),
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
        ),
    ] {
        let message = scene.invalid("PutItem", put(value)).await;
        assert!(message.starts_with(text), "{message}");
    }
}

#[tokio::test]
async fn an_item_of_400_kilobytes_is_stored_and_one_byte_more_is_refused() {
    let scene = Scene::new().await;
    let item = |size: usize| note("u", "n", json!({"a": {"S": "x".repeat(size)}}));
    let room = 400 * 1024 - "pkuskna".len();
    scene.put(item(room)).await;
    assert_eq!(scene.get("u", "n").await["a"]["S"].as_str().unwrap().len(), room);
    let message = scene.invalid("PutItem", json!({"TableName": "notes", "Item": item(room + 1)})).await;
    assert_eq!(message, "Item size has exceeded the maximum allowed size");
    let update = json!({"TableName": "notes", "Key": key("u", "n"), "UpdateExpression": "SET b = :v",
                        "ExpressionAttributeValues": {":v": {"S": ""}}});
    assert_eq!(
        scene.invalid("UpdateItem", update).await,
        "Item size to update has exceeded the maximum allowed size"
    );
}

#[tokio::test]
async fn a_condition_that_does_not_hold_changes_nothing() {
    let scene = Scene::new().await;
    scene.put(note("u", "n", json!({"v": {"N": "1"}}))).await;
    let before = scene.world.digest();
    let failed = pair("ConditionalCheckFailedException", "The conditional request failed");
    let condition = json!({":v": {"N": "2"}});
    for (operation, input) in [
        (
            "PutItem",
            json!({"TableName": "notes", "Item": key("u", "n"), "ConditionExpression": "attribute_not_exists(pk)"}),
        ),
        (
            "DeleteItem",
            json!({"TableName": "notes", "Key": key("u", "n"), "ConditionExpression": "v = :v",
                              "ExpressionAttributeValues": condition}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "notes", "Key": key("u", "n"), "ConditionExpression": "v >= :v",
                              "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": condition}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "notes", "Key": key("u", "zz"), "ConditionExpression": "attribute_exists(pk)"}),
        ),
        (
            "PutItem",
            json!({"TableName": "notes", "Item": key("u", "n"), "Expected": {"v": {"Exists": false}}}),
        ),
    ] {
        assert_eq!(scene.refused(operation, input).await, failed, "{operation}");
    }
    assert_eq!(scene.world.digest(), before);
    let shown = json!({"TableName": "notes", "Key": key("u", "n"), "ConditionExpression": "v = :v",
        "ExpressionAttributeValues": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"});
    let answer = scene.call("DeleteItem", shown).await.json();
    assert_eq!(answer["Item"], note("u", "n", json!({"v": {"N": "1"}})));
}

#[tokio::test]
async fn an_update_answers_what_it_is_asked_to() {
    let scene = Scene::new().await;
    let update = |wanted: &str| {
        json!({"TableName": "notes", "Key": key("u", "n"), "ReturnValues": wanted,
               "UpdateExpression": "SET #c = if_not_exists(#c, :zero) + :one, extra = :one",
               "ExpressionAttributeNames": {"#c": "count"},
               "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}}})
    };
    assert_eq!(scene.done("UpdateItem", update("NONE")).await, json!({}));
    let new = scene.done("UpdateItem", update("UPDATED_NEW")).await;
    assert_eq!(new["Attributes"], json!({"count": {"N": "2"}, "extra": {"N": "1"}}));
    let old = scene.done("UpdateItem", update("UPDATED_OLD")).await;
    assert_eq!(old["Attributes"], json!({"count": {"N": "2"}, "extra": {"N": "1"}}));
    let all = scene.done("UpdateItem", update("ALL_NEW")).await;
    assert_eq!(all["Attributes"], note("u", "n", json!({"count": {"N": "4"}, "extra": {"N": "1"}})));
    let delete = json!({"TableName": "notes", "Key": key("u", "n"), "ReturnValues": "ALL_OLD"});
    assert_eq!(scene.done("DeleteItem", delete.clone()).await["Attributes"]["count"], json!({"N": "4"}));
    assert_eq!(scene.done("DeleteItem", delete).await, json!({}));
}

#[tokio::test]
async fn updates_that_make_no_sense_are_refused() {
    let scene = Scene::new().await;
    scene.put(note("u", "n", json!({"text": {"S": "x"}, "kind": {"S": "k"}}))).await;
    let before = scene.world.digest();
    let update = |expression: &str, values: Value| {
        let mut input = json!({"TableName": "notes", "Key": key("u", "n"), "UpdateExpression": expression});
        if values != json!({}) {
            input["ExpressionAttributeValues"] = values;
        }
        input
    };
    for (expression, values, text) in [
        (
            "SET pk = :v",
            json!({":v": {"S": "x"}}),
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        (
            "SET a = absent_one",
            json!({}),
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            "SET a.b = :v",
            json!({":v": {"S": "x"}}),
            "The document path provided in the update expression is invalid for update",
        ),
        ("ADD text2 :v", json!({":v": {"S": "x"}}), "Invalid UpdateExpression: Incorrect operand type"),
        (
            "SET kind = :v",
            json!({":v": {"N": "1"}}),
            "The update expression attempted to update the secondary index key to unsupported type",
        ),
        (
            "SET a = :v",
            json!({":v": {"S": "x"}, ":w": {"S": "y"}}),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
        ),
        (
            "SET a = :v",
            json!({":v": {}}),
            "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty",
        ),
    ] {
        let message = scene.invalid("UpdateItem", update(expression, values)).await;
        assert!(message.starts_with(text), "{expression}: {message}");
    }
    let mixed = json!({"TableName": "notes", "Key": key("u", "n"), "UpdateExpression": "REMOVE a",
                       "Expected": {"a": {"Exists": false}}});
    assert!(
        scene
            .invalid("UpdateItem", mixed)
            .await
            .starts_with("Can not use both expression and non-expression")
    );
    let wrong = json!({"TableName": "notes", "Item": key("u", "n"), "ReturnValues": "ALL_NEW"});
    assert_eq!(scene.invalid("PutItem", wrong).await, "ReturnValues can only be ALL_OLD or NONE");
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_said_so_without_its_name() {
    let scene = Scene::empty();
    let missing = pair("ResourceNotFoundException", "Requested resource not found");
    for (operation, input) in [
        ("GetItem", json!({"TableName": "none", "Key": key("a", "b")})),
        ("PutItem", json!({"TableName": "none", "Item": key("a", "b")})),
        ("UpdateItem", json!({"TableName": "none", "Key": key("a", "b")})),
        ("DeleteItem", json!({"TableName": "none", "Key": key("a", "b")})),
        ("Scan", json!({"TableName": "none"})),
        (
            "Query",
            json!({"TableName": "none", "KeyConditionExpression": "pk = :p",
                         "ExpressionAttributeValues": {":p": {"S": "a"}}}),
        ),
        ("BatchGetItem", json!({"RequestItems": {"none": {"Keys": [key("a", "b")]}}})),
        ("BatchWriteItem", json!({"RequestItems": {"none": [{"PutRequest": {"Item": key("a", "b")}}]}})),
        (
            "TransactGetItems",
            json!({"TransactItems": [{"Get": {"TableName": "none", "Key": key("a", "b")}}]}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [{"Delete": {"TableName": "none", "Key": key("a", "b")}}]}),
        ),
    ] {
        assert_eq!(scene.refused(operation, input).await, missing, "{operation}");
    }
    let name = scene.invalid("GetItem", json!({"TableName": "a/b", "Key": key("a", "b")})).await;
    assert!(name.starts_with("Invalid table/index name."));
}

#[tokio::test]
async fn capacity_is_reported_when_asked_for() {
    let scene = Scene::new().await;
    let item = note("u", "n", json!({"kind": {"S": "k"}, "body": {"S": "x".repeat(2000)}}));
    let put = json!({"TableName": "notes", "Item": item, "ReturnConsumedCapacity": "INDEXES"});
    let capacity = scene.done("PutItem", put).await["ConsumedCapacity"].clone();
    assert_eq!(capacity["CapacityUnits"].as_f64(), Some(5.0));
    assert_eq!(capacity["GlobalSecondaryIndexes"]["all"]["CapacityUnits"].as_f64(), Some(2.0));
    assert_eq!(capacity["GlobalSecondaryIndexes"]["by-kind"]["CapacityUnits"].as_f64(), Some(1.0));
    let get = json!({"TableName": "notes", "Key": key("u", "n"), "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(scene.done("GetItem", get).await["ConsumedCapacity"]["CapacityUnits"].as_f64(), Some(0.5));
}
