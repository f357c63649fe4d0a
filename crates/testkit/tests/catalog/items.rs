//! Items that only their owner may touch, and attributes that nobody but the admin may see: `dynamodb:LeadingKeys` and
//! `dynamodb:Attributes` must name everything a request touches, however it is phrased. To leave something out would
//! allow it.

use casemate_testkit::{Credentials, Request, Response, World};
use http::Method;
use serde_json::{Value, json};

use crate::worlds::everything;

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Everything on the table and its indexes, as long as every partition key is the caller's name.
const OWN_ITEMS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*",
  "Resource":["arn:aws:dynamodb:us-east-1:123456789012:table/notes","arn:aws:dynamodb:us-east-1:123456789012:table/notes/index/*"],
  "Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":["${aws:username}"]},"Null":{"dynamodb:LeadingKeys":"false"}}}}"#;

/// Everything on the table, as long as only these attributes are mentioned, and asked for by name.
const SOME_ATTRIBUTES: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*",
  "Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/notes*",
  "Condition":{"ForAllValues:StringEquals":{"dynamodb:Attributes":["owner","id","title","shelf"]},
               "StringEqualsIfExists":{"dynamodb:Select":"SPECIFIC_ATTRIBUTES","dynamodb:ReturnValues":["NONE","UPDATED_OLD","UPDATED_NEW"]}}}}"#;

async fn call(world: &World, who: &Credentials, operation: &str, body: &Value) -> Response {
    let request = Request::new(Method::POST, "/")
        .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string())
        .signed(who, "dynamodb", "us-east-1", world.now());
    world.send(&request).await
}

async fn allowed(world: &World, who: &Credentials, operation: &str, body: Value) -> Response {
    let answer = call(world, who, operation, &body).await;
    assert!(answer.status.is_success(), "{operation} {body}: {}", answer.text());
    answer
}

async fn refused(world: &World, who: &Credentials, operation: &str, body: Value) {
    let before = world.digest();
    let answer = call(world, who, operation, &body).await;
    assert_eq!(
        answer.code().as_deref(),
        Some("AccessDeniedException"),
        "{operation} {body}: {}",
        answer.text()
    );
    assert_eq!(world.digest(), before, "{operation} {body}: refused, yet something happened");
}

fn key(owner: &str) -> Value {
    json!({ "owner": { "S": owner }, "id": { "S": "1" } })
}

fn item(owner: &str) -> Value {
    json!({ "owner": { "S": owner }, "id": { "S": "1" }, "title": { "S": "t" }, "shelf": { "S": "top" }, "secret": { "S": "x" } })
}

/// The table with one item each of alice and bob.
async fn notes() -> World {
    let world = everything();
    let admin = world.identities().user("admin", &[ALL]);
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let part = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let table = json!({
        "TableName": "notes",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [attribute("owner"), attribute("id"), attribute("shelf")],
        "KeySchema": [part("owner", "HASH"), part("id", "RANGE")],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-shelf",
            "KeySchema": [part("shelf", "HASH")],
            "Projection": { "ProjectionType": "ALL" },
        }],
    });
    allowed(&world, &admin, "CreateTable", table).await;
    for owner in ["alice", "bob"] {
        allowed(&world, &admin, "PutItem", json!({ "TableName": "notes", "Item": item(owner) })).await;
    }
    world
}

/// A query for the items of `owner`.
fn query(owner: &str) -> Value {
    json!({
        "TableName": "notes",
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": { "#o": "owner" },
        "ExpressionAttributeValues": { ":o": { "S": owner } },
    })
}

#[tokio::test]
async fn ones_own_items_can_be_used_in_every_way() {
    let world = notes().await;
    let alice = world.identities().user("alice", &[OWN_ITEMS]);
    let on = |member: &str, value: Value| json!({ "TableName": "notes", member: value });
    allowed(&world, &alice, "GetItem", on("Key", key("alice"))).await;
    allowed(&world, &alice, "PutItem", on("Item", item("alice"))).await;
    allowed(&world, &alice, "Query", query("alice")).await;
    allowed(
        &world,
        &alice,
        "BatchGetItem",
        json!({ "RequestItems": { "notes": { "Keys": [key("alice")] } } }),
    )
    .await;
    let put = json!({ "PutRequest": { "Item": item("alice") } });
    allowed(&world, &alice, "BatchWriteItem", json!({ "RequestItems": { "notes": [put] } })).await;
    let get = json!({ "Get": on("Key", key("alice")) });
    allowed(&world, &alice, "TransactGetItems", json!({ "TransactItems": [get] })).await;
    let delete = json!({ "Delete": on("Key", key("alice")) });
    allowed(&world, &alice, "TransactWriteItems", json!({ "TransactItems": [delete] })).await;
}

#[tokio::test]
async fn another_owners_items_are_refused_in_every_way() {
    let world = notes().await;
    let alice = world.identities().user("alice", &[OWN_ITEMS]);
    let on = |member: &str, value: Value| json!({ "TableName": "notes", member: value });
    refused(&world, &alice, "GetItem", on("Key", key("bob"))).await;
    refused(&world, &alice, "DeleteItem", on("Key", key("bob"))).await;
    refused(&world, &alice, "UpdateItem", on("Key", key("bob"))).await;
    refused(&world, &alice, "PutItem", on("Item", item("bob"))).await;
    refused(&world, &alice, "Query", query("bob")).await;
    for owner in ["Alice", "alice ", "*", "alic?", "${aws:username}", ""] {
        refused(&world, &alice, "GetItem", on("Key", key(owner))).await;
    }
}

#[tokio::test]
async fn another_owners_item_hidden_among_ones_own_is_refused() {
    let world = notes().await;
    let alice = world.identities().user("alice", &[OWN_ITEMS]);
    let on = |member: &str, owner: &str| {
        let value = if member == "Item" { item(owner) } else { key(owner) };
        json!({ "TableName": "notes", member: value })
    };
    for keys in [json!([key("alice"), key("bob")]), json!([key("bob"), key("alice")])] {
        refused(&world, &alice, "BatchGetItem", json!({ "RequestItems": { "notes": { "Keys": keys } } }))
            .await;
    }
    let put = |owner: &str| json!({ "PutRequest": { "Item": item(owner) } });
    let delete = |owner: &str| json!({ "DeleteRequest": { "Key": key(owner) } });
    for requests in
        [json!([put("alice"), put("bob")]), json!([put("alice"), delete("bob")]), json!([delete("bob")])]
    {
        refused(&world, &alice, "BatchWriteItem", json!({ "RequestItems": { "notes": requests } })).await;
    }
    let mut check = on("Key", "bob");
    check["ConditionExpression"] = json!("attribute_exists(id)");
    let mut update = on("Key", "bob");
    update["UpdateExpression"] = json!("REMOVE title");
    let own = json!({ "Put": on("Item", "alice") });
    for other in [
        json!({ "Put": on("Item", "bob") }),
        json!({ "Delete": on("Key", "bob") }),
        json!({ "ConditionCheck": check }),
        json!({ "Update": update }),
    ] {
        for items in [json!([own, other]), json!([other, own])] {
            refused(&world, &alice, "TransactWriteItems", json!({ "TransactItems": items })).await;
        }
    }
    let get = |owner: &str| json!({ "Get": on("Key", owner) });
    refused(&world, &alice, "TransactGetItems", json!({ "TransactItems": [get("alice"), get("bob")] })).await;
}

#[tokio::test]
async fn queries_name_their_partition_in_every_spelling() {
    let world = notes().await;
    let alice = world.identities().user("alice", &[OWN_ITEMS]);
    let value = |owner: &str| json!({ ":o": { "S": owner } });
    let reserved = json!({ "#o": "owner" });
    for condition in ["#o = :o", "(#o = :o)", "id > :o AND #o = :o", "#o = :o and begins_with(id, :o)"] {
        let body = |owner: &str| {
            json!({
                "TableName": "notes",
                "KeyConditionExpression": condition,
                "ExpressionAttributeNames": reserved,
                "ExpressionAttributeValues": value(owner),
            })
        };
        refused(&world, &alice, "Query", body("bob")).await;
        allowed(&world, &alice, "Query", body("alice")).await;
    }
    // The older spelling.
    let legacy = |owner: &str| {
        let equal = json!({ "ComparisonOperator": "EQ", "AttributeValueList": [{ "S": owner }] });
        json!({ "TableName": "notes", "KeyConditions": { "owner": equal } })
    };
    refused(&world, &alice, "Query", legacy("bob")).await;
    // An index has another partition key.
    let mut on_index = query("top");
    on_index["IndexName"] = json!("by-shelf");
    on_index["ExpressionAttributeNames"] = json!({ "#o": "shelf" });
    refused(&world, &alice, "Query", on_index.clone()).await;
    // A filter on the owner is not a key condition.
    on_index["FilterExpression"] = json!("#p = :p");
    on_index["ExpressionAttributeNames"]["#p"] = json!("owner");
    on_index["ExpressionAttributeValues"][":p"] = json!({ "S": "alice" });
    refused(&world, &alice, "Query", on_index).await;
    for broken in ["", "#o", "#o = ", "#o <> :o", "attribute_exists(#o)"] {
        let mut body = query("bob");
        body["KeyConditionExpression"] = json!(broken);
        let answer = call(&world, &alice, "Query", &body).await;
        assert!(answer.status.is_client_error(), "{broken}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_scan_names_no_keys_and_so_is_refused_where_keys_must_be_named() {
    let world = notes().await;
    let alice = world.identities().user("alice", &[OWN_ITEMS]);
    refused(&world, &alice, "Scan", json!({ "TableName": "notes" })).await;
    refused(&world, &alice, "Scan", json!({ "TableName": "notes", "IndexName": "by-shelf" })).await;
    refused(&world, &alice, "DescribeTable", json!({ "TableName": "notes" })).await;
}

#[tokio::test]
async fn attributes_are_named_wherever_they_are_mentioned() {
    let world = notes().await;
    let clerk = world.identities().user("clerk", &[SOME_ATTRIBUTES]);
    let get = |projection: &str| {
        json!({ "TableName": "notes", "Key": key("alice"), "ProjectionExpression": projection,
                "ExpressionAttributeNames": { "#s": "secret", "#o": "owner" } })
    };
    let mut fine = get("#o, title");
    fine["ExpressionAttributeNames"] = json!({ "#o": "owner" });
    allowed(&world, &clerk, "GetItem", fine).await;
    for projection in ["#s, #o", "title, #s, #o", "#s.inner, #o", "#s[0], #o"] {
        refused(&world, &clerk, "GetItem", get(projection)).await;
    }
    let plain = |members: Value| {
        let mut body = json!({ "TableName": "notes" });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let legacy = |names: Value| plain(json!({ "Key": key("alice"), "AttributesToGet": names }));
    allowed(&world, &clerk, "GetItem", legacy(json!(["title"]))).await;
    refused(&world, &clerk, "GetItem", legacy(json!(["title", "secret"]))).await;
    // Without a projection everything would come back.
    refused(&world, &clerk, "GetItem", plain(json!({ "Key": key("alice") }))).await;
    refused(&world, &clerk, "PutItem", plain(json!({ "Item": item("alice") }))).await;
    let values = json!({ ":x": { "S": "x" } });
    for update in
        ["SET secret = :x", "SET title = secret", "REMOVE secret", "SET title = if_not_exists(secret, :x)"]
    {
        let mut body = plain(json!({ "Key": key("alice"), "UpdateExpression": update }));
        if update.contains(":x") {
            body["ExpressionAttributeValues"] = values.clone();
        }
        refused(&world, &clerk, "UpdateItem", body).await;
    }
    let update = plain(
        json!({ "Key": key("alice"), "UpdateExpression": "SET title = :x", "ExpressionAttributeValues": values }),
    );
    allowed(&world, &clerk, "UpdateItem", update.clone()).await;
    for (member, value) in [("ConditionExpression", json!("secret = :x")), ("ReturnValues", json!("ALL_OLD"))]
    {
        let mut body = update.clone();
        body[member] = value;
        refused(&world, &clerk, "UpdateItem", body).await;
    }
    let expected = json!({ "secret": { "Exists": false } });
    let delete = plain(json!({ "Key": key("alice"), "Expected": expected }));
    refused(&world, &clerk, "DeleteItem", delete).await;
}

#[tokio::test]
async fn filters_tell_what_they_look_at() {
    let world = notes().await;
    let clerk = world.identities().user("clerk", &[SOME_ATTRIBUTES]);
    let mut body = query("alice");
    body["ProjectionExpression"] = json!("title");
    allowed(&world, &clerk, "Query", body.clone()).await;
    body["FilterExpression"] = json!("begins_with(#s, :o)");
    body["ExpressionAttributeNames"]["#s"] = json!("secret");
    refused(&world, &clerk, "Query", body).await;
    let scan = |filter: &str| json!({ "TableName": "notes", "ProjectionExpression": "title", "FilterExpression": filter });
    allowed(&world, &clerk, "Scan", scan("attribute_exists(title)")).await;
    for filter in
        ["attribute_exists(secret)", "size(secret) > size(title)", "NOT attribute_type(secret, title)"]
    {
        let answer = call(&world, &clerk, "Scan", &scan(filter)).await;
        assert!(answer.status.is_client_error(), "{filter}: {}", answer.text());
    }
    refused(&world, &clerk, "Scan", scan("attribute_exists(secret)")).await;
    let legacy = json!({ "secret": { "ComparisonOperator": "NOT_NULL" } });
    let scan = json!({ "TableName": "notes", "AttributesToGet": ["title"], "ScanFilter": legacy });
    refused(&world, &clerk, "Scan", scan).await;
    let count =
        json!({ "TableName": "notes", "Select": "COUNT", "FilterExpression": "attribute_exists(title)" });
    refused(&world, &clerk, "Scan", count).await;
}
