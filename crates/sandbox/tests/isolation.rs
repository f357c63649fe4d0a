//! What code inside an environment can and cannot do, tried from inside. Nothing is skipped: a host that lacks a
//! layer fails these tests with the error that names it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[cfg(target_arch = "x86_64")]
#[path = "isolation/architectures.rs"]
mod architectures;
#[path = "isolation/asking.rs"]
mod asking;
#[path = "isolation/companions.rs"]
mod companions;
#[path = "isolation/descriptors.rs"]
mod descriptors;
#[path = "isolation/executions.rs"]
mod executions;
#[path = "isolation/functional.rs"]
mod functional;
#[path = "isolation/harness.rs"]
mod harness;
#[path = "isolation/landlock.rs"]
mod landlock;
#[path = "isolation/lifetime.rs"]
mod lifetime;
#[path = "isolation/limits.rs"]
mod limits;
#[path = "isolation/netlink.rs"]
mod netlink;
#[path = "isolation/opens.rs"]
mod opens;
#[path = "isolation/rootless.rs"]
mod rootless;
#[path = "isolation/roots.rs"]
mod roots;
#[path = "isolation/security.rs"]
mod security;
#[path = "isolation/share.rs"]
mod share;
#[path = "isolation/supervised.rs"]
mod supervised;
#[path = "isolation/unawaited.rs"]
mod unawaited;
#[path = "isolation/without.rs"]
mod without;
