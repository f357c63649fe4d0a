//! Worlds with the real services in them. A new service is added here, and all the tests cover it.

use casemate_testkit::{World, WorldBuilder};

/// Every service, over fixture identities.
pub(crate) fn everything() -> World {
    let world = WorldBuilder::new();
    let world = world.service("cognito-idp", "cognito-idp.amazonaws.com", casemate_cognito_idp::open);
    let world = world.service("iam", "iam.amazonaws.com", casemate_iam::open);
    let world = world.service("logs", "logs.amazonaws.com", casemate_logs::open);
    world.start()
}
