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
//! lead anywhere, and what the process sees as its peer is the relay. One that does not wait, whose connection outside takes longer
//! than half a second, sees a connection on its way meanwhile (`slow`).
//!
//! Where the environment is in a machine, the supervisor inside leads sockets to its relay as ever, and asks the host for the rest
//! (`afar`): the host decides, resolves and connects by the same code, and believes the machine nothing.
//!
//! This module knows nothing of functions. TCP only; datagrams, and everything else, have no way out.

mod address;
mod afar;
mod counted;
mod line;
mod names;
mod outside;
mod relay;
mod rules;
mod slow;
mod stub;

pub(crate) use afar::Afar;
pub use afar::{Bridgehead, Carrier, LineOpening};
pub use line::Line;
pub(crate) use outside::{Outside, Ruling, is_loopback};
pub(crate) use relay::{CONNECTIONS_MAX, Gateway, Prospect, Refusal, Sockets, Tasks, Way};
pub use rules::Rules;

/// Port of the relay inside.
pub const RELAY_PORT: u16 = 9003;
/// Port of the stub resolver inside: where C libraries ask when nothing else is configured.
pub const RESOLVER_PORT: u16 = 53;
