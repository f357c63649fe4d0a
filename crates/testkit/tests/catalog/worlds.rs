//! Worlds with the real services in them. A new service is added here, and all the tests cover it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use casemate_kernel::TrustEdge;
use casemate_testkit::{Credentials, World, WorldBuilder};

/// Every service, over fixture identities.
pub(crate) fn everything() -> World {
    open(WorldBuilder::new())
}

/// The same with a trail that may be unable to take anything.
pub(crate) fn recorded(audit: casemate_kernel::audit::Audit) -> World {
    open(WorldBuilder::recorded(audit))
}

/// Every service; the identity service's own directory decides who is who. With the administrator's key.
pub(crate) async fn with_own_identities() -> (World, Credentials) {
    let world = open(WorldBuilder::bare());
    let (id, secret) = casemate_iam::ensure_administrator(world.env()).await.unwrap().unwrap();
    (world, Credentials::new(id, secret.expose().clone()))
}

fn open(world: WorldBuilder) -> World {
    let world =
        world.service("cloudformation", "cloudformation.amazonaws.com", casemate_cloudformation::open);
    let mut keys = None;
    let world = world.service("cognito-idp", "cognito-idp.amazonaws.com", |env| {
        let (assembly, pools) = casemate_cognito_idp::open_with_keys(env)?;
        keys = Some(pools);
        Ok(assembly)
    });
    let keys = keys.unwrap();
    let world =
        world.service("apigateway", "apigateway.amazonaws.com", |env| casemate_apigateway::open(env, keys));
    let world = world.service("dynamodb", "dynamodb.amazonaws.com", casemate_dynamodb::open);
    let world = world.service("iam", "iam.amazonaws.com", casemate_iam::open);
    let world = world.service("kms", "kms.amazonaws.com", casemate_kms::open);
    let world =
        world.service("lambda", "lambda.amazonaws.com", |env| casemate_lambda::open(env, without_sandbox()));
    let world = world.service("logs", "logs.amazonaws.com", casemate_logs::open);
    let world = world.service("organizations", "organizations.amazonaws.com", casemate_organizations::open);
    let world = world.service("sts", "sts.amazonaws.com", casemate_sts::open);
    // What the server's own list says of organisations (`crates/server/src/trust.rs`).
    let edge = |operation| TrustEdge { from: "organizations", to: "iam", operation };
    world.trust(&[edge("CreateRole"), edge("PutRolePolicy")]).start()
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
        functions_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalog-functions").join(number),
        // Nobody is registered.
        signing_profiles: Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-signing-profiles"),
        farewells: casemate_lambda::Farewells::default(),
    }
}
