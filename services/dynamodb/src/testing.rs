//! Fixtures for the tests of this crate.

use std::collections::BTreeMap;

use casemate_names::Timestamp;

use crate::table::{Billing, Index, IndexKind, IndexProjection, IndexState, KeySchema, KeyType, Table};

/// A table `notes` (pk S, sk S) with a keys-only global index `by-kind` (kind S, sk S).
pub(crate) fn table() -> Table {
    let name = str::to_owned;
    Table {
        name: name("notes"),
        id: name("t-1"),
        created_at: Timestamp::from_seconds(0),
        attributes: ["pk", "sk", "kind"].map(|each| (name(each), KeyType::S)).to_vec(),
        key: KeySchema { partition: name("pk"), sort: Some(name("sk")) },
        indexes: vec![Index {
            name: name("by-kind"),
            id: name("i-1"),
            kind: IndexKind::Global,
            key: KeySchema { partition: name("kind"), sort: Some(name("sk")) },
            projection: IndexProjection::KeysOnly,
            state: IndexState::Active,
            throughput: None,
        }],
        billing: Billing::PayPerRequest,
        on_demand_since: None,
        deletion_protected: false,
        class: None,
        encryption_named: false,
        ttl_attribute: None,
        tags: BTreeMap::new(),
    }
}
