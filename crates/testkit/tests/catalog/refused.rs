//! What every operation needs, pinned; and that nobody gets by without it.

use std::path::Path;

use casemate_testkit::{access_table, compare_with_golden, refusals};

use crate::{hints::hints, worlds::everything};

#[tokio::test]
async fn every_operation_refuses_in_twelve_ways() {
    let failures = refusals(&everything(), &hints).await;
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn the_access_table_is_the_golden_one() {
    let table = access_table(&everything(), &hints);
    assert!(!table.contains("UNDECLARED"), "{table}");
    compare_with_golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("access.golden"), &table);
}
