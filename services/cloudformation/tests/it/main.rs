//! CloudFormation over the wire: the whole server in memory, with real IAM, DynamoDB and Logs behind it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers")]

mod change_sets;
mod example;
mod failures;
mod functions;
mod identities;
mod keys;
mod organizations;
mod packages;
mod providers;
mod refusals;
mod stacks;
mod updates;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use casemate_kernel::TrustEdge;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Response, World, WorldBuilder};

/// Looks at a stack's status before a test gives up.
const LOOKS_MAX: usize = 5_000;

/// A world with every service a template can name, and its administrator.
struct Scene {
    world: World,
    admin: Credentials,
}

impl Scene {
    async fn new() -> Self {
        let mut scene = Self::idle().await;
        scene.world.run_tasks();
        scene
    }

    /// Nothing is worked on.
    async fn idle() -> Self {
        const fn edge(to: &'static str) -> TrustEdge {
            TrustEdge { from: "cloudformation", to, operation: "*" }
        }
        let mut keys = None;
        let world = WorldBuilder::bare()
            .trust(&[
                edge("apigateway"),
                edge("cognito-idp"),
                edge("dynamodb"),
                edge("iam"),
                edge("kms"),
                edge("lambda"),
                edge("logs"),
                edge("organizations"),
                TrustEdge { from: "organizations", to: "iam", operation: "CreateRole" },
                TrustEdge { from: "organizations", to: "iam", operation: "PutRolePolicy" },
            ])
            .service("iam", "iam.amazonaws.com", casemate_iam::open)
            .service("sts", "sts.amazonaws.com", casemate_sts::open)
            .service("dynamodb", "dynamodb.amazonaws.com", casemate_dynamodb::open)
            .service("kms", "kms.amazonaws.com", casemate_kms::open)
            .service("logs", "logs.amazonaws.com", casemate_logs::open)
            .service("organizations", "organizations.amazonaws.com", casemate_organizations::open)
            .service("cognito-idp", "cognito-idp.amazonaws.com", |env| {
                let (assembly, pools) = casemate_cognito_idp::open_with_keys(env)?;
                keys = Some(pools);
                Ok(assembly)
            });
        let keys = keys.unwrap();
        let world = world
            .service("apigateway", "apigateway.amazonaws.com", |env| casemate_apigateway::open(env, keys))
            .service("lambda", "lambda.amazonaws.com", |env| casemate_lambda::open(env, without_sandbox()))
            .service("cloudformation", "cloudformation.amazonaws.com", casemate_cloudformation::open)
            .start();
        let (id, secret) = casemate_iam::ensure_administrator(world.env()).await.unwrap().unwrap();
        let admin = Credentials::new(id, secret.expose().clone());
        Self { world, admin }
    }

    /// A user with one inline policy.
    async fn user(&self, name: &str, policy: &str) -> Credentials {
        let user = || Document::structure([("UserName", name.into())]);
        assert!(self.other("iam", "CreateUser", user()).await.status.is_success());
        let input = Document::structure([
            ("UserName", name.into()),
            ("PolicyName", "p".into()),
            ("PolicyDocument", policy.into()),
        ]);
        assert!(self.other("iam", "PutUserPolicy", input).await.status.is_success());
        let key = self.other("iam", "CreateAccessKey", user()).await;
        let part = |name: &str| key.element(name).unwrap();
        Credentials::new(part("AccessKeyId"), part("SecretAccessKey"))
    }

    async fn call(&self, operation: &str, input: Document) -> Response {
        self.other("cloudformation", operation, input).await
    }

    async fn create(&self, name: &str, template: &str) -> Response {
        self.call("CreateStack", request(name, template)).await
    }

    async fn update(&self, name: &str, template: &str) -> Response {
        self.call("UpdateStack", request(name, template)).await
    }

    /// Creates a stack that must succeed.
    async fn created(&self, name: &str, template: &str) {
        let answer = self.create(name, template).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        let status = self.settled(name).await;
        assert_eq!(status, "CREATE_COMPLETE", "{}", self.events(name).await);
    }

    async fn describe(&self, name: &str) -> Response {
        self.call("DescribeStacks", of(name)).await
    }

    /// Waits for a status that is not in progress; `gone` when there is no such stack any more.
    async fn settled(&self, name: &str) -> String {
        for _ in 0..LOOKS_MAX {
            let answer = self.describe(name).await;
            if !answer.status.is_success() {
                return "gone".to_owned();
            }
            let status = answer.element("StackStatus").unwrap_or_default();
            if !status.ends_with("_IN_PROGRESS") {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("the stack does not settle: {}", self.events(name).await);
    }

    async fn events(&self, name: &str) -> String {
        self.call("DescribeStackEvents", of(name)).await.text()
    }

    async fn other(&self, service: &str, operation: &str, input: Document) -> Response {
        self.world.call(&self.admin, service, operation, input).await
    }

    /// Names of the tables there are.
    async fn tables(&self) -> Vec<String> {
        let answer = self.other("dynamodb", "ListTables", Document::empty()).await.json();
        answer["TableNames"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }
}

/// Functions can be managed here, but not run: the sandbox has tests of its own.
fn without_sandbox() -> casemate_lambda::Extras {
    static WORLDS: AtomicU32 = AtomicU32::new(0);
    // The process is part of the name: tests may run in processes of their own, side by side.
    let number = format!("{}-{}", std::process::id(), WORLDS.fetch_add(1, Ordering::Relaxed));
    casemate_lambda::Extras {
        driver: Err("no sandbox in this test".to_owned()),
        serve_connection: Arc::new(|_| Box::new(|_, _| {})),
        python_sdk: None,
        functions_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("cloudformation-functions").join(number),
        // Nobody is registered.
        signing_profiles: Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-signing-profiles"),
        farewells: casemate_lambda::Farewells::default(),
    }
}

fn of(name: &str) -> Document {
    Document::structure([("StackName", name.into())])
}

fn request(name: &str, template: &str) -> Document {
    Document::structure([
        ("StackName", name.into()),
        ("TemplateBody", template.into()),
        ("Capabilities", vec!["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].into()),
    ])
}
