//! CloudFormation over the wire: the whole server in memory, with real IAM, DynamoDB and Logs behind it.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]

mod stacks;

use casemate_kernel::TrustEdge;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Response, World, WorldBuilder};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Looks at a stack's status before a test gives up.
const LOOKS_MAX: usize = 2_000;

/// A world with somebody who may do everything.
struct Scene {
    world: World,
    admin: Credentials,
}

impl Scene {
    fn new() -> Self {
        const fn edge(to: &'static str) -> TrustEdge {
            TrustEdge { from: "cloudformation", to, operation: "*" }
        }
        let mut world = WorldBuilder::new()
            .trust(&[edge("iam"), edge("dynamodb"), edge("logs")])
            .service("iam", "iam.amazonaws.com", casemate_iam::open)
            .service("dynamodb", "dynamodb.amazonaws.com", casemate_dynamodb::open)
            .service("logs", "logs.amazonaws.com", casemate_logs::open)
            .service("cloudformation", "cloudformation.amazonaws.com", casemate_cloudformation::open)
            .start();
        world.run_tasks();
        let admin = world.identities().user("admin", &[ALLOW_ALL]);
        Self { world, admin }
    }

    async fn call(&self, operation: &str, input: Document) -> Response {
        self.world.call(&self.admin, "cloudformation", operation, input).await
    }

    async fn create(&self, name: &str, template: &str) -> Response {
        self.call("CreateStack", request(name, template)).await
    }

    async fn update(&self, name: &str, template: &str) -> Response {
        self.call("UpdateStack", request(name, template)).await
    }

    async fn describe(&self, name: &str) -> Response {
        self.call("DescribeStacks", Document::structure([("StackName", name.into())])).await
    }

    /// Waits for a status that is not in progress.
    async fn settled(&self, name: &str) -> String {
        for _ in 0..LOOKS_MAX {
            let status = self.describe(name).await.element("StackStatus").unwrap_or_default();
            if !status.ends_with("_IN_PROGRESS") {
                return status;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("the stack does not settle");
    }

    async fn events(&self, name: &str) -> String {
        self.call("DescribeStackEvents", Document::structure([("StackName", name.into())])).await.text()
    }

    async fn other(&self, service: &str, operation: &str, input: Document) -> Response {
        self.world.call(&self.admin, service, operation, input).await
    }
}

fn request(name: &str, template: &str) -> Document {
    Document::structure([
        ("StackName", name.into()),
        ("TemplateBody", template.into()),
        ("Capabilities", vec!["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].into()),
    ])
}
