//! The request path, and the kit it is tried through, over a service made for the purpose. No product service but the one
//! that hands out temporary credentials, so that these tests build fast enough to judge every mutant of the gate.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod ceilings;
mod evidence;
mod federated;
mod forwarded;
mod identified;
mod inner;
mod keys;
mod kit;
mod named;
mod permits;
mod planes;
mod refusals;
mod schemes;
mod sessions;
mod toys;
mod traffic;
mod unowned;
mod wrong_allow;
