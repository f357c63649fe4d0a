//! Worlds with the real services in them. A new service is added here, and all the tests cover it.

use casemate_testkit::{World, WorldBuilder};

/// Every service, over fixture identities.
pub(crate) fn everything() -> World {
    WorldBuilder::new().service("logs", "logs.amazonaws.com", casemate_logs::open).start()
}
