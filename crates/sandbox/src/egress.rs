//! Connections out of an environment: none, unless its specification names hosts and ports.
//!
//! ```text
//!   process ──connect(host:port)──▶ supervisor: its own copy of the address against the rules
//!      │                               ├── not allowed ▶ ENETUNREACH, an event
//!      │ its own socket, connected     └── allowed ▶ the supervisor connects outside, then connects the process's
//!      ▼ inside the namespace              socket to the relay, and answers
//!   127.0.0.1:9003 (relay) ═════════════ bytes, counted ═════════════▶ host:port
//! ```
//! Names are resolved by a stub at 127.0.0.1:53 that knows the names of the rules only, and remembers which addresses it gave out
//! for them.
//!
//! The environment never holds a socket of the host's network. Handing it one, already connected, would be faster, but such a
//! socket can be disconnected, connected again without `connect` (`MSG_FASTOPEN`) or made to listen, and every later check would
//! race with the process that changes what it points at. So its own socket is connected to a relay that only the supervisor can
//! lead anywhere, and what the process sees as its peer is the relay.
//!
//! This module knows nothing of functions. TCP only; datagrams, and everything else, have no way out.

mod address;
mod counted;
mod names;
mod relay;
mod rules;
mod stub;

pub(crate) use relay::{Gateway, Sockets, Tasks, is_loopback};
pub use rules::Rules;

/// Port of the relay inside.
pub const RELAY_PORT: u16 = 9003;
/// Port of the stub resolver inside: where C libraries ask when nothing else is configured.
pub const RESOLVER_PORT: u16 = 53;
