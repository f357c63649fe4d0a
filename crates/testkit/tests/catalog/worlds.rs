//! Worlds with the real services in them. A new service is added here, and all the tests cover it.

use casemate_testkit::{Credentials, World, WorldBuilder};

/// Every service, over fixture identities.
pub(crate) fn everything() -> World {
    open(WorldBuilder::new())
}

/// Every service; the identity service's own directory decides who is who. With the administrator's key.
pub(crate) async fn with_own_identities() -> (World, Credentials) {
    let world = open(WorldBuilder::bare());
    let (id, secret) = casemate_iam::ensure_administrator(world.env()).await.unwrap().unwrap();
    (world, Credentials::new(id, secret.expose().clone()))
}

fn open(world: WorldBuilder) -> World {
    let world = world.service("cognito-idp", "cognito-idp.amazonaws.com", casemate_cognito_idp::open);
    let world = world.service("dynamodb", "dynamodb.amazonaws.com", casemate_dynamodb::open);
    let world = world.service("iam", "iam.amazonaws.com", casemate_iam::open);
    let world = world.service("logs", "logs.amazonaws.com", casemate_logs::open);
    let world = world.service("sts", "sts.amazonaws.com", casemate_sts::open);
    world.start()
}
