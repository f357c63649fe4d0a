//! KMS over the wire: the whole server in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test's helpers"
)]

mod encryption;
mod goldens;
mod grants;
mod keys;
mod policies;
mod refusals;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_kernel::RoleFacts;
use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};
use http::Method;
use serde_json::{Value, json};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
const HOME: &str = "123456789012";

fn world() -> World {
    WorldBuilder::new().service("kms", "kms.amazonaws.com", casemate_kms::open).start()
}

/// An operation's request, signed by `who`.
fn request(world: &World, who: &Credentials, operation: &str, input: &Value) -> Request {
    Request::new(Method::POST, "/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", &format!("TrentService.{operation}"))
        .body(input.to_string())
        .signed(who, "kms", "us-east-1", world.now())
}

/// A world with somebody who may do everything that the account may, and a key with the default policy.
struct Scene {
    world: World,
    admin: Credentials,
    key: String,
}

impl Scene {
    async fn new() -> Self {
        let world = world();
        let admin = world.identities().user("admin", &[ALLOW_ALL]);
        let mut scene = Self { world, admin, key: String::new() };
        scene.key = scene.make_key(json!({})).await;
        scene
    }

    async fn make_key(&self, input: Value) -> String {
        self.done("CreateKey", input).await["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    fn arn(&self) -> String {
        format!("arn:aws:kms:us-east-1:{HOME}:key/{}", self.key)
    }

    async fn call_as(&self, who: &Credentials, operation: &str, input: Value) -> Response {
        self.world.send(&request(&self.world, who, operation, &input)).await
    }

    /// Calls an operation that must succeed.
    async fn done_as(&self, who: &Credentials, operation: &str, input: Value) -> Value {
        let answer = self.call_as(who, operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    async fn done(&self, operation: &str, input: Value) -> Value {
        self.done_as(&self.admin, operation, input).await
    }

    /// Calls an operation that must be refused; its code.
    async fn refused_as(&self, who: &Credentials, operation: &str, input: Value) -> String {
        let answer = self.call_as(who, operation, input).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.text());
        answer.code().unwrap()
    }

    async fn refused(&self, operation: &str, input: Value) -> String {
        self.refused_as(&self.admin, operation, input).await
    }

    /// Encrypts as `who`, who must be allowed to; the ciphertext.
    async fn sealed_as(&self, who: &Credentials, context: Value) -> Value {
        let input = json!({"KeyId": self.key, "Plaintext": encoded(b"secret"), "EncryptionContext": context});
        self.done_as(who, "Encrypt", input).await["CiphertextBlob"].clone()
    }

    async fn sealed(&self, context: Value) -> Value {
        self.sealed_as(&self.admin, context).await
    }

    /// A role without any policy, and a session of it.
    async fn role(&self, name: &str) -> (Arc<RoleFacts>, Credentials) {
        self.role_with(name, &[]).await
    }

    async fn role_with(&self, name: &str, policies: &[&str]) -> (Arc<RoleFacts>, Credentials) {
        let role = self.world.identities().role(name, policies, None);
        let session = self.world.session(&role, 3600, None).await;
        (role, session)
    }

    /// Puts a policy that lets the account decide, and has these statements.
    async fn put_policy(&self, statements: &str) {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{HOME}:root"}},"Action":"kms:*","Resource":"*"}},{statements}]}}"#
        );
        self.done("PutKeyPolicy", json!({"KeyId": self.key, "Policy": policy})).await;
    }
}

fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}
