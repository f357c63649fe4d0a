//! What every operation needs, pinned; and that nobody gets by without it.

use std::path::Path;

use casemate_testkit::{access_table, compare_with_golden, refusals};

use crate::{hints::hints, worlds::everything};

/// The role that the minimal inputs name.
const TRUSTS_THE_ACCOUNT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"123456789012"}}]}"#;

#[tokio::test]
async fn every_operation_refuses_in_twelve_ways() {
    let world = everything();
    world.identities().role("Sample", &[], Some(TRUSTS_THE_ACCOUNT));
    let failures = refusals(&world, &hints).await;
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn the_access_table_is_the_golden_one() {
    let table = access_table(&everything(), &hints);
    let undeclared: Vec<&str> = table.lines().filter(|line| line.contains("UNDECLARED")).collect();
    assert!(undeclared.is_empty(), "{}", undeclared.join("\n"));
    compare_with_golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("access.golden"), &table);
}
