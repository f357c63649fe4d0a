//! DynamoDB over the wire: the whole server in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "tests and their helpers fail by panicking, and take JSON as it is written"
)]

mod batches;
mod concurrency;
mod fine_grained;
mod goldens;
mod indexes;
mod items;
mod model;
mod queries;
mod refusals;
mod tables;
mod transactions;

use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};
use http::Method;
use serde_json::{Value, json};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}}"#;

fn world() -> World {
    WorldBuilder::new().service("dynamodb", "dynamodb.amazonaws.com", casemate_dynamodb::open).start()
}

/// An operation's request, signed by `who`.
fn request(world: &World, who: &Credentials, operation: &str, input: &Value) -> Request {
    Request::new(Method::POST, "/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"))
        .body(input.to_string())
        .signed(who, "dynamodb", "us-east-1", world.now())
}

/// Calls an operation as `who`.
async fn call_as(world: &World, who: &Credentials, operation: &str, input: Value) -> Response {
    world.send(&request(world, who, operation, &input)).await
}

/// A world with somebody who may do everything.
struct Scene {
    world: World,
    admin: Credentials,
}

impl Scene {
    fn empty() -> Self {
        let world = world();
        let admin = world.identities().user("admin", &[ALLOW_ALL]);
        Self { world, admin }
    }

    /// With table `notes`: pk S, sk S; a local index `by-time` (at N, keys only) and global ones `by-kind` (kind S, sk S,
    /// includes `title`) and `all` (kind S, everything).
    async fn new() -> Self {
        let scene = Self::empty();
        scene.done("CreateTable", notes()).await;
        scene
    }

    async fn call(&self, operation: &str, input: Value) -> Response {
        call_as(&self.world, &self.admin, operation, input).await
    }

    /// Calls an operation that must succeed.
    async fn done(&self, operation: &str, input: Value) -> Value {
        let answer = self.call(operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
        answer.json()
    }

    /// Calls an operation that must be refused; its code and message.
    async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let answer = self.call(operation, input).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.text());
        (answer.code().unwrap(), answer.message())
    }

    /// Calls an operation that must be refused as invalid; its message.
    async fn invalid(&self, operation: &str, input: Value) -> String {
        let (code, message) = self.refused(operation, input).await;
        assert_eq!(code, "ValidationException", "{operation}: {message}");
        message
    }

    async fn put(&self, item: Value) {
        self.done("PutItem", json!({"TableName": "notes", "Item": item})).await;
    }

    async fn get(&self, pk: &str, sk: &str) -> Value {
        self.done("GetItem", json!({"TableName": "notes", "Key": key(pk, sk)})).await["Item"].clone()
    }
}

fn notes() -> Value {
    json!({
        "TableName": "notes",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
            {"AttributeName": "kind", "AttributeType": "S"},
        ],
        "KeySchema": schema("pk", Some("sk")),
        "LocalSecondaryIndexes": [
            {"IndexName": "by-time", "KeySchema": schema("pk", Some("at")), "Projection": {"ProjectionType": "KEYS_ONLY"}},
        ],
        "GlobalSecondaryIndexes": [
            {"IndexName": "by-kind", "KeySchema": schema("kind", Some("sk")),
             "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["title"]}},
            {"IndexName": "all", "KeySchema": schema("kind", None), "Projection": {"ProjectionType": "ALL"}},
        ],
    })
}

fn schema(partition: &str, sort: Option<&str>) -> Value {
    let mut elements = vec![json!({"AttributeName": partition, "KeyType": "HASH"})];
    elements.extend(sort.map(|sort| json!({"AttributeName": sort, "KeyType": "RANGE"})));
    json!(elements)
}

fn key(pk: &str, sk: &str) -> Value {
    json!({"pk": {"S": pk}, "sk": {"S": sk}})
}

/// A note: key, and whatever else.
fn note(pk: &str, sk: &str, rest: Value) -> Value {
    let mut item = key(pk, sk);
    item.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    item
}

fn pair(code: &str, message: &str) -> (String, String) {
    (code.to_owned(), message.to_owned())
}

/// The text of one attribute of each item of an answer.
fn texts(answer: &Value, attribute: &str) -> Vec<String> {
    answer["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item[attribute]["S"].as_str().unwrap().to_owned())
        .collect()
}
