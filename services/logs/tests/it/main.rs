//! CloudWatch Logs over the wire: the whole server in memory.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]

mod events;
mod goldens;
mod groups;
mod refusals;

use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};
use http::Method;
use serde_json::{Value, json};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:*","Resource":"*"}}"#;

fn world() -> World {
    WorldBuilder::new().service("logs", "logs.amazonaws.com", casemate_logs::open).start()
}

/// Calls an operation as `who`.
async fn call_as(world: &World, who: &Credentials, operation: &str, input: Value) -> Response {
    world.send(&request(world, who, operation, &input)).await
}

/// An operation's request, signed by `who`.
fn request(world: &World, who: &Credentials, operation: &str, input: &Value) -> Request {
    Request::new(Method::POST, "/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", &format!("Logs_20140328.{operation}"))
        .body(input.to_string())
        .signed(who, "logs", "us-east-1", world.now())
}

/// A world with somebody who may do everything, group `g` and stream `s`.
struct Scene {
    world: World,
    admin: Credentials,
}

impl Scene {
    async fn new() -> Self {
        let scene = Self::empty();
        scene.done("CreateLogGroup", json!({"logGroupName": "g"})).await;
        scene.done("CreateLogStream", json!({"logGroupName": "g", "logStreamName": "s"})).await;
        scene
    }

    fn empty() -> Self {
        let world = world();
        let admin = world.identities().user("admin", &[ALLOW_ALL]);
        Self { world, admin }
    }

    fn now(&self) -> i64 {
        self.world.now().millis()
    }

    async fn call(&self, operation: &str, input: Value) -> Response {
        call_as(&self.world, &self.admin, operation, input).await
    }

    /// Calls an operation that must succeed.
    async fn done(&self, operation: &str, input: Value) -> Value {
        let answer = self.call(operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Calls an operation that must be refused; its code and message.
    async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let answer = self.call(operation, input).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.text());
        (answer.code().unwrap(), answer.message())
    }

    /// Puts events `(offset from now, message)` into stream `s` of `g`.
    async fn put(&self, events: &[(i64, &str)]) -> Value {
        self.put_into("s", events).await
    }

    async fn put_into(&self, stream: &str, events: &[(i64, &str)]) -> Value {
        let events: Vec<_> = events
            .iter()
            .map(|(at, message)| json!({"timestamp": self.now() + at, "message": message}))
            .collect();
        self.done("PutLogEvents", json!({"logGroupName": "g", "logStreamName": stream, "logEvents": events}))
            .await
    }
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

fn pair(code: &str, message: &str) -> (String, String) {
    (code.to_owned(), message.to_owned())
}
