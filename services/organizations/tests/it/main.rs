//! Organizations over the wire: the service alone, with fixture identities. Accounts, whose roles another service makes, and
//! what ceilings do at the gate are tested with the whole catalog (`crates/testkit/tests/catalog/organizations.rs`).

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers")]

mod policies;
mod reads;
mod rights;
mod tree;

use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};
use http::Method;
use serde_json::{Value, json};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"organizations:*","Resource":"*"}}"#;
const DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#;

/// A world whose home account manages an organisation, and somebody who may do everything.
struct Scene {
    world: World,
    admin: Credentials,
}

impl Scene {
    async fn new() -> Self {
        let scene = Self::empty();
        scene.done("CreateOrganization", json!({})).await;
        scene
    }

    fn empty() -> Self {
        let world = WorldBuilder::new()
            .service("organizations", "organizations.amazonaws.com", casemate_organizations::open)
            .start();
        let admin = world.identities().user("admin", &[ALLOW_ALL]);
        Self { world, admin }
    }

    async fn call_as(&self, who: &Credentials, operation: &str, input: Value) -> Response {
        let request = Request::new(Method::POST, "/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", &format!("AWSOrganizationsV20161128.{operation}"))
            .body(input.to_string())
            .signed(who, "organizations", "us-east-1", self.world.now());
        self.world.send(&request).await
    }

    /// Something that must succeed.
    async fn done(&self, operation: &str, input: Value) -> Value {
        let answer = self.call_as(&self.admin, operation, input).await;
        assert!(answer.status.is_success(), "{operation}: {}", answer.text());
        if answer.text().is_empty() { Value::Null } else { answer.json() }
    }

    /// Something that must be refused with this code, changing nothing. Answers the error.
    async fn refused(&self, operation: &str, input: Value, code: &str) -> Value {
        let before = self.world.digest();
        let answer = self.call_as(&self.admin, operation, input).await;
        assert_eq!(answer.code().as_deref(), Some(code), "{operation}: {}", answer.text());
        assert_eq!(self.world.digest(), before, "{operation}");
        answer.json()
    }

    async fn root(&self) -> String {
        text(&self.done("ListRoots", json!({})).await["Roots"][0]["Id"])
    }

    async fn unit(&self, parent: &str, name: &str) -> String {
        let made = self.done("CreateOrganizationalUnit", json!({"ParentId": parent, "Name": name})).await;
        text(&made["OrganizationalUnit"]["Id"])
    }

    async fn policy(&self, name: &str) -> String {
        let input = json!({
            "Name": name, "Description": "", "Type": "SERVICE_CONTROL_POLICY", "Content": DOCUMENT,
        });
        text(&self.done("CreatePolicy", input).await["Policy"]["PolicySummary"]["Id"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
