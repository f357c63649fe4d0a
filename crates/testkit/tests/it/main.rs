//! The kit, and the request path tried through it, over a service made for the purpose.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod federated;
mod forwarded;
mod kit;
mod toys;
mod unowned;
mod wrong_allow;
