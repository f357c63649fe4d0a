//! Fine-grained access control: a request is judged by every key and every attribute it names, wherever it names them.

use casemate_testkit::Credentials;
use serde_json::{Value, json};

use crate::{Scene, call_as, key, note};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/notes";

/// A policy that allows `actions` on table and indexes under a condition.
fn policy(actions: &[&str], condition: &Value) -> String {
    let actions: Vec<String> = actions.iter().map(|action| format!("dynamodb:{action}")).collect();
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions,
           "Resource": [TABLE, format!("{TABLE}/index/*")], "Condition": condition}})
    .to_string()
}

const ITEM_ACTIONS: [&str; 8] = [
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
];

async fn assert_judged(scene: &Scene, who: &Credentials, allowed: bool, operation: &str, input: Value) {
    let before = scene.world.digest();
    let answer = call_as(&scene.world, who, operation, input.clone()).await;
    if allowed {
        assert_eq!(answer.status, 200, "{operation} {input}: {}", answer.text());
    } else {
        let code = answer.code();
        assert_eq!(code.as_deref(), Some("AccessDeniedException"), "{operation} {input}: {}", answer.text());
        assert_eq!(answer.status, 400);
        assert_eq!(scene.world.digest(), before, "{operation} {input}");
    }
}

/// Somebody who may touch items of partition `u1` only.
async fn owner() -> (Scene, Credentials) {
    let scene = Scene::new().await;
    for (pk, sk) in [("u1", "a"), ("u1", "b"), ("u2", "a")] {
        scene.put(note(pk, sk, json!({"kind": {"S": "k"}, "n": {"N": "1"}}))).await;
    }
    let condition = json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["u1"]}});
    let owner = scene.world.identities().user("owner", &[&policy(&ITEM_ACTIONS, &condition)]);
    (scene, owner)
}

#[tokio::test]
async fn one_leading_key_is_a_list_of_one() {
    let (scene, _) = owner().await;
    let input = json!({"TableName": "notes", "Key": key("u1", "a")});
    for (operator, allowed) in [
        ("StringEquals", false),
        ("StringLike", false),
        ("StringNotLike", false),
        ("ForAnyValue:StringEquals", true),
        ("ForAllValues:StringEquals", true),
    ] {
        for name in ["dynamodb:LeadingKeys", "dynamodb:FirstPartitionKeyValues"] {
            let condition = json!({operator: {name: "u1"}});
            let who = scene.world.identities().user("one", &[&policy(&["GetItem"], &condition)]);
            assert_judged(&scene, &who, allowed, "GetItem", input.clone()).await;
        }
    }
}

#[tokio::test]
async fn an_owner_reaches_its_own_items_and_nobody_elses() {
    let (scene, owner) = owner().await;
    for (pk, allowed) in [("u1", true), ("u2", false), ("U1", false), ("u1 ", false)] {
        let at = |more: Value| {
            let mut input = json!({"TableName": "notes", "Key": key(pk, "a")});
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            input
        };
        let value = json!({":p": {"S": pk}});
        for (operation, input) in [
            ("GetItem", at(json!({}))),
            ("PutItem", json!({"TableName": "notes", "Item": key(pk, "a")})),
            ("UpdateItem", at(json!({"UpdateExpression": "REMOVE n"}))),
            ("DeleteItem", at(json!({}))),
            (
                "Query",
                json!({"TableName": "notes", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": value}),
            ),
            (
                "Query",
                json!({"TableName": "notes", "KeyConditionExpression": ":p = #k AND sk > :p",
                             "ExpressionAttributeNames": {"#k": "pk"}, "ExpressionAttributeValues": value}),
            ),
            (
                "Query",
                json!({"TableName": "notes", "KeyConditions": {
                "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": pk}]}}}),
            ),
            ("BatchGetItem", json!({"RequestItems": {"notes": {"Keys": [key(pk, "a")]}}})),
            (
                "BatchWriteItem",
                json!({"RequestItems": {"notes": [{"DeleteRequest": {"Key": key(pk, "a")}}]}}),
            ),
            (
                "TransactGetItems",
                json!({"TransactItems": [{"Get": {"TableName": "notes", "Key": key(pk, "a")}}]}),
            ),
            (
                "TransactWriteItems",
                json!({"TransactItems": [{"Put": {"TableName": "notes", "Item": key(pk, "a")}}]}),
            ),
            (
                "TransactWriteItems",
                json!({"TransactItems": [{"ConditionCheck": {"TableName": "notes", "Key": key(pk, "a"),
                "ConditionExpression": "attribute_exists(pk)"}}]}),
            ),
        ] {
            assert_judged(&scene, &owner, allowed, operation, input).await;
        }
    }
}

#[tokio::test]
async fn one_foreign_item_among_many_refuses_all() {
    let (scene, owner) = owner().await;
    let get = |pk: &str| json!({"Get": {"TableName": "notes", "Key": key(pk, "a")}});
    let put = |pk: &str| json!({"PutRequest": {"Item": key(pk, "new")}});
    for (operation, input) in [
        ("BatchGetItem", json!({"RequestItems": {"notes": {"Keys": [key("u1", "a"), key("u2", "a")]}}})),
        ("BatchWriteItem", json!({"RequestItems": {"notes": [put("u1"), put("u2")]}})),
        ("BatchWriteItem", json!({"RequestItems": {"notes": [put("u1")], TABLE: [put("u2")]}})),
        (
            "BatchWriteItem",
            json!({"RequestItems": {"notes": [put("u1"), {"DeleteRequest": {"Key": key("u2", "a")}}]}}),
        ),
        ("TransactGetItems", json!({"TransactItems": [get("u1"), get("u2")]})),
        (
            "TransactWriteItems",
            json!({"TransactItems": [
            {"Put": {"TableName": "notes", "Item": key("u1", "new")}},
            {"Delete": {"TableName": "notes", "Key": key("u2", "a")}}]}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [
            {"Put": {"TableName": "notes", "Item": key("u1", "new")}, "Delete": {"TableName": "notes", "Key": key("u2", "a")}}]}),
        ),
    ] {
        assert_judged(&scene, &owner, false, operation, input).await;
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_no_key_that_is_allowed() {
    let (scene, owner) = owner().await;
    for (operation, input) in [
        ("GetItem", json!({"TableName": "notes", "Key": {}})),
        ("GetItem", json!({"TableName": "notes", "Key": {"sk": {"S": "a"}}})),
        ("GetItem", json!({"TableName": "notes", "Key": {"pk": {}, "sk": {"S": "a"}}})),
        ("GetItem", json!({"TableName": "notes", "Key": {"pk": {"S": "u1", "N": "1"}, "sk": {"S": "a"}}})),
        ("PutItem", json!({"TableName": "notes", "Item": {"sk": {"S": "a"}}})),
        ("BatchGetItem", json!({"RequestItems": {"notes": {"Keys": [key("u1", "a"), {}]}}})),
        ("BatchGetItem", json!({"RequestItems": {"notes": {"Keys": []}}})),
        ("BatchWriteItem", json!({"RequestItems": {"notes": [{}]}})),
        ("Query", json!({"TableName": "notes"})),
        ("Query", json!({"TableName": "notes", "KeyConditionExpression": "pk = :p"})),
        (
            "Query",
            json!({"TableName": "notes", "KeyConditionExpression": "sk = :p",
                         "ExpressionAttributeValues": {":p": {"S": "u1"}}}),
        ),
        (
            "Query",
            json!({"TableName": "notes", "KeyConditionExpression": "pk > :p",
                         "ExpressionAttributeValues": {":p": {"S": "u1"}}}),
        ),
        (
            "Query",
            json!({"TableName": "notes", "KeyConditionExpression": "pk = :p OR pk = :q",
                         "ExpressionAttributeValues": {":p": {"S": "u1"}, ":q": {"S": "u2"}}}),
        ),
        (
            "Query",
            json!({"TableName": "notes", "KeyConditionExpression": "pk = :p AND pk = :q",
                         "ExpressionAttributeValues": {":p": {"S": "u1"}, ":q": {"S": "u2"}}}),
        ),
        (
            "Query",
            json!({"TableName": "notes", "KeyConditions": {
            "pk": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"S": "u"}]}}}),
        ),
    ] {
        assert_judged(&scene, &owner, false, operation, input).await;
    }
}

#[tokio::test]
async fn an_index_is_judged_by_its_own_partition_key_and_its_own_arn() {
    let (scene, owner) = owner().await;
    let query = |kind: &str| {
        json!({"TableName": "notes", "IndexName": "all", "KeyConditionExpression": "kind = :k",
               "ExpressionAttributeValues": {":k": {"S": kind}}})
    };
    // The partition of this index is the kind; that the table's key is the owner's helps nobody.
    assert_judged(&scene, &owner, false, "Query", query("k")).await;
    assert_judged(&scene, &owner, true, "Query", query("u1")).await;
    let condition = json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["k"]}});
    let table_only = policy(&["Query", "Scan"], &condition).replace("/index/*", "/index/none");
    let table_only = scene.world.identities().user("table-only", &[&table_only]);
    assert_judged(&scene, &table_only, false, "Query", query("k")).await;
    assert_judged(&scene, &table_only, false, "Scan", json!({"TableName": "notes", "IndexName": "all"}))
        .await;
    // AWS: a scan has no leading keys, so that a condition on all of them holds.
    assert_judged(&scene, &table_only, true, "Scan", json!({"TableName": "notes"})).await;
    let required = json!({"Null": {"dynamodb:LeadingKeys": "false"},
                          "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["u1"]}});
    let careful = scene.world.identities().user("careful", &[&policy(&["Scan"], &required)]);
    assert_judged(&scene, &careful, false, "Scan", json!({"TableName": "notes"})).await;
}

#[tokio::test]
async fn numbers_are_judged_by_value() {
    let scene = Scene::empty();
    let table = json!({"TableName": "notes", "BillingMode": "PAY_PER_REQUEST", "KeySchema": crate::schema("id", None),
                       "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}]});
    scene.done("CreateTable", table).await;
    let allow = policy(&["GetItem"], &json!({}));
    let deny = json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*",
        "Condition": {"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": ["7"]}}}})
    .to_string();
    let user = scene.world.identities().user("counted", &[&allow, &deny]);
    let get = |id: &str| json!({"TableName": "notes", "Key": {"id": {"N": id}}});
    assert_judged(&scene, &user, true, "GetItem", get("8")).await;
    for id in ["7", "7.0", "07", "0.7e1", "+7"] {
        assert_judged(&scene, &user, false, "GetItem", get(id)).await;
    }
    // What cannot be read matches the denial too.
    assert_judged(&scene, &user, false, "GetItem", json!({"TableName": "notes", "Key": {}})).await;
}

/// Somebody who may name the key, `title` and `kind`, and see nothing else.
async fn reader() -> (Scene, Credentials) {
    let scene = Scene::new().await;
    scene.put(note("u", "a", json!({"title": {"S": "t"}, "kind": {"S": "k"}, "salary": {"N": "5"}}))).await;
    let condition = json!({
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "title", "kind"]},
        "StringEqualsIfExists": {"dynamodb:Select": ["SPECIFIC_ATTRIBUTES", "COUNT"],
                                 "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]},
    });
    let actions: Vec<&str> = ITEM_ACTIONS.into_iter().chain(["Scan"]).collect();
    let reader = scene.world.identities().user("reader", &[&policy(&actions, &condition)]);
    (scene, reader)
}

#[tokio::test]
async fn attributes_are_judged_wherever_a_read_names_them() {
    let (scene, reader) = reader().await;
    let key = key("u", "a");
    for (attribute, allowed) in [("title", true), ("salary", false), ("Title", false)] {
        let table = |more: Value| {
            let mut input = json!({"TableName": "notes", "ExpressionAttributeNames": {"#x": attribute}});
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            input
        };
        let ten = json!({":v": {"N": "10"}});
        let both = json!({":p": {"S": "u"}, ":v": {"N": "10"}});
        let get = json!({"Keys": [key], "ProjectionExpression": "#x", "ExpressionAttributeNames": {"#x": attribute}});
        let inner = table(json!({"Key": key, "ProjectionExpression": "#x"}));
        for (operation, input) in [
            ("GetItem", table(json!({"Key": key, "ProjectionExpression": "pk, #x"}))),
            ("GetItem", table(json!({"Key": key, "ProjectionExpression": "#x.deep[0]"}))),
            ("GetItem", json!({"TableName": "notes", "Key": key, "AttributesToGet": [attribute]})),
            (
                "Query",
                table(
                    json!({"KeyConditionExpression": "pk = :p", "FilterExpression": "#x > :v", "Select": "COUNT",
                                   "ExpressionAttributeValues": both}),
                ),
            ),
            (
                "Query",
                json!({"TableName": "notes", "Select": "COUNT", "KeyConditionExpression": "pk = :p",
                             "ExpressionAttributeValues": {":p": {"S": "u"}},
                             "FilterExpression": format!("attribute_exists({attribute})")}),
            ),
            (
                "Query",
                json!({"TableName": "notes", "Select": "COUNT", "QueryFilter": {attribute: {"ComparisonOperator": "NULL"}},
                             "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "u"}]}}}),
            ),
            (
                "Scan",
                table(json!({"FilterExpression": "size(#x) > :v", "ProjectionExpression": "pk",
                                  "ExpressionAttributeValues": ten})),
            ),
            (
                "Scan",
                json!({"TableName": "notes", "Select": "COUNT",
                            "ScanFilter": {attribute: {"ComparisonOperator": "NOT_NULL"}}}),
            ),
            ("BatchGetItem", json!({"RequestItems": {"notes": get}})),
            ("TransactGetItems", json!({"TransactItems": [{"Get": inner}]})),
        ] {
            assert_judged(&scene, &reader, allowed, operation, input).await;
        }
    }
}

#[tokio::test]
async fn attributes_are_judged_wherever_a_write_names_them() {
    let (scene, reader) = reader().await;
    let (here, nowhere) = (key("u", "a"), key("u", "z"));
    for (attribute, allowed) in [("title", true), ("salary", false), ("Title", false)] {
        let names = json!({"#x": attribute});
        let update = |expression: &str| {
            json!({"TableName": "notes", "Key": here, "UpdateExpression": expression,
                   "ExpressionAttributeNames": names, "ExpressionAttributeValues": {":v": {"S": "x"}}})
        };
        let absent = json!({"TableName": "notes", "Key": nowhere, "ConditionExpression": "attribute_not_exists(#x)",
                            "ExpressionAttributeNames": names});
        let item = |sk: &str| note("u", sk, json!({attribute: {"S": "x"}}));
        for (operation, input) in [
            ("UpdateItem", update("SET #x = :v")),
            ("UpdateItem", update("SET title = if_not_exists(#x, :v)")),
            (
                "UpdateItem",
                json!({"TableName": "notes", "Key": here, "AttributeUpdates": {
                attribute: {"Action": "PUT", "Value": {"S": "x"}}}}),
            ),
            ("DeleteItem", absent.clone()),
            (
                "DeleteItem",
                json!({"TableName": "notes", "Key": nowhere, "Expected": {attribute: {"Exists": false}}}),
            ),
            ("PutItem", json!({"TableName": "notes", "Item": item("p")})),
            ("BatchWriteItem", json!({"RequestItems": {"notes": [{"PutRequest": {"Item": item("q")}}]}})),
            ("TransactWriteItems", json!({"TransactItems": [{"ConditionCheck": absent}]})),
            ("TransactWriteItems", json!({"TransactItems": [{"Update": update("SET kind = :v REMOVE #x")}]})),
        ] {
            assert_judged(&scene, &reader, allowed, operation, input).await;
        }
    }
}

#[tokio::test]
async fn what_would_be_returned_is_judged_too() {
    let (scene, reader) = reader().await;
    let key = key("u", "a");
    let set = json!({"TableName": "notes", "Key": key, "UpdateExpression": "SET title = :v",
                     "ExpressionAttributeValues": {":v": {"S": "x"}}});
    let with = |name: &str, value: &str| {
        let mut input = set.clone();
        input[name] = json!(value);
        input
    };
    for (allowed, operation, input) in [
        (false, "GetItem", json!({"TableName": "notes", "Key": key})),
        (true, "GetItem", json!({"TableName": "notes", "Key": key, "ProjectionExpression": "title"})),
        (false, "Scan", json!({"TableName": "notes"})),
        (false, "Scan", json!({"TableName": "notes", "IndexName": "all"})),
        (true, "Scan", json!({"TableName": "notes", "Select": "COUNT"})),
        (false, "BatchGetItem", json!({"RequestItems": {"notes": {"Keys": [key]}}})),
        (false, "TransactGetItems", json!({"TransactItems": [{"Get": {"TableName": "notes", "Key": key}}]})),
        (true, "UpdateItem", set.clone()),
        (true, "UpdateItem", with("ReturnValues", "UPDATED_NEW")),
        (false, "UpdateItem", with("ReturnValues", "ALL_NEW")),
        (false, "UpdateItem", with("ReturnValuesOnConditionCheckFailure", "ALL_OLD")),
        (false, "DeleteItem", json!({"TableName": "notes", "Key": key, "ReturnValues": "ALL_OLD"})),
        (
            false,
            "TransactWriteItems",
            json!({"TransactItems": [{"ConditionCheck": {"TableName": "notes", "Key": key,
            "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}]}),
        ),
    ] {
        assert_judged(&scene, &reader, allowed, operation, input).await;
    }
}

#[tokio::test]
async fn an_expression_that_cannot_be_read_names_unknown_attributes() {
    let (scene, reader) = reader().await;
    let key = key("u", "a");
    for input in [
        json!({"TableName": "notes", "Key": key, "ProjectionExpression": "title,, pk"}),
        json!({"TableName": "notes", "Key": key, "ProjectionExpression": "#none"}),
        json!({"TableName": "notes", "Key": key, "ProjectionExpression": "title, title"}),
    ] {
        assert_judged(&scene, &reader, false, "GetItem", input).await;
    }
}

#[tokio::test]
async fn transactions_are_told_apart_by_the_enclosing_operation() {
    let (scene, _) = owner().await;
    let condition =
        json!({"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": ["TransactWriteItems"]}});
    let only_inside = scene.world.identities().user("inside", &[&policy(&["PutItem"], &condition)]);
    let put = json!({"TableName": "notes", "Item": key("u1", "t")});
    assert_judged(&scene, &only_inside, false, "PutItem", put.clone()).await;
    assert_judged(&scene, &only_inside, true, "TransactWriteItems", json!({"TransactItems": [{"Put": put}]}))
        .await;
    let check = json!({"TransactItems": [{"ConditionCheck": {"TableName": "notes", "Key": key("u1", "t"),
                       "ConditionExpression": "attribute_exists(pk)"}}]});
    assert_judged(&scene, &only_inside, false, "TransactWriteItems", check).await;
}

#[tokio::test]
async fn a_tagged_table_is_judged_by_its_tags_with_its_indexes() {
    let (scene, _) = owner().await;
    let by_tag = policy(&["GetItem", "Scan"], &json!({"StringEquals": {"aws:ResourceTag/team": "a"}}));
    let user = scene.world.identities().user("team", &[&by_tag]);
    let get = json!({"TableName": "notes", "Key": key("u1", "a")});
    let scan = json!({"TableName": "notes", "IndexName": "all"});
    assert_judged(&scene, &user, false, "GetItem", get.clone()).await;
    let tags = json!([{"Key": "team", "Value": "a"}]);
    scene.done("TagResource", json!({"ResourceArn": TABLE, "Tags": tags})).await;
    assert_judged(&scene, &user, true, "GetItem", get.clone()).await;
    assert_judged(&scene, &user, true, "Scan", scan).await;
    scene.done("UntagResource", json!({"ResourceArn": TABLE, "TagKeys": ["team"]})).await;
    assert_judged(&scene, &user, false, "GetItem", get).await;
}

#[tokio::test]
async fn another_accounts_table_is_refused_by_name_and_by_arn() {
    let (scene, _) = owner().await;
    let other = scene.world.other_account();
    let stranger = scene.world.identities().user_of(&other, "stranger", &[crate::ALLOW_ALL], None);
    let by_arn = json!({"TableName": TABLE, "Key": key("u1", "a")});
    assert_judged(&scene, &stranger, false, "GetItem", by_arn).await;
    let answer =
        call_as(&scene.world, &stranger, "GetItem", json!({"TableName": "notes", "Key": key("u1", "a")}))
            .await;
    assert_eq!(answer.code().as_deref(), Some("ResourceNotFoundException"));
}
