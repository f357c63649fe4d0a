//! Tables: making, describing, changing, removing, tags and settings.

use serde_json::{Value, json};

use crate::{Scene, note, notes, pair, schema};

const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/notes";

#[tokio::test]
async fn a_table_is_described_as_it_was_defined() {
    let scene = Scene::new().await;
    let table = scene.done("DescribeTable", json!({"TableName": "notes"})).await["Table"].clone();
    assert_eq!((&table["TableArn"], &table["TableStatus"]), (&json!(ARN), &json!("ACTIVE")));
    assert_eq!(table["KeySchema"], schema("pk", Some("sk")));
    assert_eq!(table["BillingModeSummary"]["BillingMode"], json!("PAY_PER_REQUEST"));
    assert_eq!(table["LocalSecondaryIndexes"][0]["IndexArn"], json!(format!("{ARN}/index/by-time")));
    assert_eq!(table["AttributeDefinitions"].as_array().unwrap().len(), 4);
    let by_arn = scene.done("DescribeTable", json!({"TableName": ARN})).await["Table"].clone();
    assert_eq!(by_arn, table);
    assert_eq!(
        scene.refused("CreateTable", notes()).await,
        pair("ResourceInUseException", "Table already exists: notes")
    );
}

#[tokio::test]
async fn definitions_that_do_not_hold_together_are_refused() {
    let scene = Scene::empty();
    let before = scene.world.digest();
    let change = |name: &str, value: Value| {
        let mut input = notes();
        input[name] = value;
        input
    };
    let attributes = |names: &[&str]| {
        json!(
            names.iter().map(|name| json!({"AttributeName": name, "AttributeType": "S"})).collect::<Vec<_>>()
        )
    };
    for input in [
        change("KeySchema", json!([{"AttributeName": "pk", "KeyType": "RANGE"}])),
        change("KeySchema", schema("zz", None)),
        change("AttributeDefinitions", attributes(&["pk", "sk"])),
        change("AttributeDefinitions", attributes(&["pk", "sk", "at", "kind", "more"])),
        change("AttributeDefinitions", attributes(&["pk", "pk", "sk", "at", "kind"])),
        change("BillingMode", json!("PROVISIONED")),
        change("ProvisionedThroughput", json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})),
        change("TableName", json!("a!")),
        change("TableName", json!(ARN.replace("123456789012", "123456789012:x"))),
        change("StreamSpecification", json!({"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"})),
        change("SSESpecification", json!({"Enabled": true, "KMSMasterKeyId": "alias/mine"})),
        change("ResourcePolicy", json!("{}")),
        change(
            "LocalSecondaryIndexes",
            json!([{"IndexName": "by-time", "KeySchema": schema("sk", Some("at")),
            "Projection": {"ProjectionType": "ALL"}}]),
        ),
        change(
            "GlobalSecondaryIndexes",
            json!([{"IndexName": "by-time", "KeySchema": schema("kind", None),
            "Projection": {"ProjectionType": "ALL"}}]),
        ),
        change(
            "GlobalSecondaryIndexes",
            json!([{"IndexName": "all", "KeySchema": schema("kind", None),
            "Projection": {}}]),
        ),
    ] {
        scene.invalid("CreateTable", input).await;
    }
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn a_deleted_table_leaves_nothing_and_its_successor_is_empty() {
    let scene = Scene::empty();
    let before = scene.world.digest();
    scene.done("CreateTable", notes()).await;
    for n in 0..100 {
        scene.put(note("u", &n.to_string(), json!({"kind": {"S": "k"}, "at": {"N": "1"}}))).await;
    }
    let answer = scene.done("DeleteTable", json!({"TableName": "notes"})).await;
    assert_eq!(answer["TableDescription"]["TableStatus"], json!("DELETING"));
    assert_eq!(scene.world.digest(), before);
    let missing = pair("ResourceNotFoundException", "Requested resource not found: Table: notes not found");
    assert_eq!(scene.refused("DescribeTable", json!({"TableName": "notes"})).await, missing);
    assert_eq!(scene.refused("DeleteTable", json!({"TableName": "notes"})).await, missing);
    scene.done("CreateTable", notes()).await;
    assert_eq!(scene.get("u", "1").await, Value::Null);
}

#[tokio::test]
async fn a_protected_table_is_not_deleted() {
    let scene = Scene::new().await;
    let protect = |on: bool| json!({"TableName": "notes", "DeletionProtectionEnabled": on});
    scene.done("UpdateTable", protect(true)).await;
    let message = scene.invalid("DeleteTable", json!({"TableName": "notes"})).await;
    assert!(message.starts_with("Resource cannot be deleted as it is currently protected"));
    scene.done("UpdateTable", protect(false)).await;
    scene.done("DeleteTable", json!({"TableName": "notes"})).await;
}

#[tokio::test]
async fn updates_that_say_nothing_or_too_much_are_refused() {
    let scene = Scene::new().await;
    assert!(scene.invalid("UpdateTable", json!({"TableName": "notes"})).await.starts_with("At least one of"));
    let delete = |name: &str| json!({"Delete": {"IndexName": name}});
    let two =
        json!({"TableName": "notes", "GlobalSecondaryIndexUpdates": [delete("all"), delete("by-kind")]});
    assert_eq!(scene.refused("UpdateTable", two).await.0, "LimitExceededException");
    let none = json!({"TableName": "notes", "GlobalSecondaryIndexUpdates": [delete("by-time")]});
    assert_eq!(scene.refused("UpdateTable", none).await.0, "ResourceNotFoundException");
    let billing = json!({"TableName": "notes", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}});
    scene.invalid("UpdateTable", billing).await;
    let provisioned = json!({"TableName": "notes", "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}});
    let table = scene.done("UpdateTable", provisioned).await["TableDescription"].clone();
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], json!(3));
}

#[tokio::test]
async fn tables_are_listed_in_pages() {
    let scene = Scene::empty();
    for name in ["ccc", "aaa", "bbb"] {
        let mut input = notes();
        input["TableName"] = json!(name);
        scene.done("CreateTable", input).await;
    }
    let first = scene.done("ListTables", json!({"Limit": 2})).await;
    assert_eq!(first, json!({"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}));
    let rest = scene.done("ListTables", json!({"ExclusiveStartTableName": "bbb"})).await;
    assert_eq!(rest, json!({"TableNames": ["ccc"]}));
}

#[tokio::test]
async fn tags_come_and_go() {
    let scene = Scene::new().await;
    let tags = json!([{"Key": "team", "Value": "a"}, {"Key": "stage", "Value": "dev"}]);
    scene.done("TagResource", json!({"ResourceArn": ARN, "Tags": tags})).await;
    scene.done("UntagResource", json!({"ResourceArn": ARN, "TagKeys": ["stage"]})).await;
    let listed = scene.done("ListTagsOfResource", json!({"ResourceArn": ARN})).await;
    assert_eq!(listed["Tags"], json!([{"Key": "team", "Value": "a"}]));
    for operation in ["TagResource", "UntagResource", "ListTagsOfResource"] {
        for wrong in ["notes", &format!("{ARN}/index/all")] {
            let input = json!({"ResourceArn": wrong, "Tags": [{"Key": "a", "Value": "b"}], "TagKeys": ["a"]});
            assert!(scene.invalid(operation, input).await.starts_with("Invalid TableArn"), "{operation}");
        }
        let none = json!({"ResourceArn": ARN.replace("notes", "none"), "Tags": [{"Key": "a", "Value": "b"}], "TagKeys": ["a"]});
        assert_eq!(scene.refused(operation, none).await.0, "ResourceNotFoundException");
    }
    let reserved = json!({"ResourceArn": ARN, "Tags": [{"Key": "aws:x", "Value": "b"}]});
    scene.invalid("TagResource", reserved).await;
}

#[tokio::test]
async fn time_to_live_is_kept() {
    let scene = Scene::new().await;
    let set = |on: bool, name: &str| json!({"TableName": "notes", "TimeToLiveSpecification": {"Enabled": on, "AttributeName": name}});
    let described = async || {
        scene.done("DescribeTimeToLive", json!({"TableName": "notes"})).await["TimeToLiveDescription"].clone()
    };
    assert_eq!(described().await, json!({"TimeToLiveStatus": "DISABLED"}));
    scene.done("UpdateTimeToLive", set(true, "ttl")).await;
    assert_eq!(described().await, json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}));
    assert_eq!(scene.invalid("UpdateTimeToLive", set(true, "ttl")).await, "TimeToLive is already enabled");
    assert!(scene.invalid("UpdateTimeToLive", set(false, "zz")).await.contains("different AttributeName"));
    scene.done("UpdateTimeToLive", set(false, "ttl")).await;
    assert_eq!(scene.invalid("UpdateTimeToLive", set(false, "ttl")).await, "TimeToLive is already disabled");
}

#[tokio::test]
async fn expired_items_are_removed_with_their_index_rows() {
    let mut scene = Scene::new().await;
    let set =
        json!({"TableName": "notes", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "ttl"}});
    scene.done("UpdateTimeToLive", set).await;
    let now = scene.world.now().seconds();
    for n in 0..300 {
        let at = if n % 3 == 0 { now + 60 } else { now - 60 };
        scene
            .put(note("u", &format!("{n:03}"), json!({"ttl": {"N": at.to_string()}, "kind": {"S": "k"}})))
            .await;
    }
    scene.put(note("u", "text", json!({"ttl": {"S": "1"}, "kind": {"S": "k"}}))).await;
    scene.world.run_tasks();
    for _ in 0..1000 {
        let left =
            scene.done("Scan", json!({"TableName": "notes", "Select": "COUNT"})).await["Count"].clone();
        if left == json!(101) {
            break;
        }
    }
    let index =
        scene.done("Scan", json!({"TableName": "notes", "IndexName": "all", "Select": "COUNT"})).await;
    assert_eq!(index["Count"], json!(101));
    let table = scene.done("DescribeTable", json!({"TableName": "notes"})).await;
    assert_eq!(table["Table"]["ItemCount"], json!(101));
}

#[tokio::test]
async fn deployment_tools_can_read_what_they_want_to() {
    let scene = Scene::new().await;
    let backups = scene.done("DescribeContinuousBackups", json!({"TableName": "notes"})).await;
    let status = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"];
    assert_eq!(status, &json!("DISABLED"));
    let missing = scene.refused("DescribeContinuousBackups", json!({"TableName": "none"})).await;
    assert_eq!(missing, pair("TableNotFoundException", "Table not found: none"));
    assert_eq!(scene.done("DescribeLimits", json!({})).await["TableMaxReadCapacityUnits"], json!(40_000));
    let endpoints = scene.done("DescribeEndpoints", json!({})).await;
    assert_eq!(endpoints["Endpoints"][0]["Address"], json!("localhost:4566"));
}

#[tokio::test]
async fn a_table_of_numbers_orders_them_as_numbers() {
    let scene = Scene::empty();
    let table = json!({"TableName": "numbers", "BillingMode": "PAY_PER_REQUEST", "KeySchema": schema("p", Some("n")),
        "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "B"}, {"AttributeName": "n", "AttributeType": "N"}]});
    scene.done("CreateTable", table).await;
    for n in ["10", "9", "-1", "-10", "0", "1e-5", "99999999999999999999"] {
        let item = json!({"p": {"B": "AAA="}, "n": {"N": n}});
        scene.done("PutItem", json!({"TableName": "numbers", "Item": item})).await;
    }
    let query = json!({"TableName": "numbers", "KeyConditionExpression": "p = :p AND n > :n",
        "ExpressionAttributeValues": {":p": {"B": "AAA="}, ":n": {"N": "-10.0"}}});
    let answer = scene.done("Query", query).await;
    let found: Vec<&str> =
        answer["Items"].as_array().unwrap().iter().map(|i| i["n"]["N"].as_str().unwrap()).collect();
    assert_eq!(found, ["-1", "0", "0.00001", "9", "10", "99999999999999999999"]);
}
