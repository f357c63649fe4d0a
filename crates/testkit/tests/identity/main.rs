//! IAM and STS as the kernel's own directory, through the whole path: signed requests in, decisions and answers out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may stop the test")]

mod accounts;
mod assume;
mod deposits;
mod errors;
mod federated;
mod groups;
mod last_accessed;
mod linked;
mod lists;
mod meanwhile;
mod mfa;
mod outbound;
mod people;
mod policies;
mod providers;
mod roles;
mod saml;
mod scene;
mod server_certificates;
mod session_tokens;
mod simulator;
mod trust;
mod web_identity;
mod wire;
