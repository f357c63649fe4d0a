//! The nouns every other crate shares: ARNs, accounts, times, secrets, and the two sources of non-determinism
//! (clock and entropy) as traits. Knows nothing of HTTP, storage or any service.

mod arn;
mod clock;
mod digest;
mod entropy;
mod ids;
mod secret;
mod timestamp;

pub use arn::{Arn, InvalidArn};
pub use clock::{Clock, FakeClock, SystemClock};
pub use digest::{hex, sha256};
pub use entropy::{Entropy, NamedEntropy, SystemEntropy, alphanumeric, hex_id, lower_alphanumeric, uuid};
pub use ids::{AccountId, InvalidId, Region, RequestId, Scope};
pub use secret::Secret;
pub use timestamp::{Civil, InvalidTimestamp, Timestamp};
