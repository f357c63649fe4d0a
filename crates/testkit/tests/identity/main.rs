//! IAM and STS as the kernel's own directory, through the whole path: signed requests in, decisions and answers out.

#![expect(clippy::unwrap_used, reason = "helpers of tests may stop the test")]

mod accounts;
mod assume;
mod errors;
mod groups;
mod linked;
mod lists;
mod people;
mod policies;
mod roles;
mod scene;
mod simulator;
mod trust;
mod wire;
