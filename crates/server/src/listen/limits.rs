//! The limits of a listener, in one place. Bodies have their own by operation: [`super::Handler::body_limit`].

use std::time::Duration;

/// Open connections per listener; further ones wait in the kernel's accept queue.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Open connections per client: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer is given.
/// Further ones are closed at once, so that one client cannot take all of [`CONNECTIONS_MAX`].
pub const CONNECTIONS_PER_CLIENT_MAX: usize = 1_024;
/// Bytes of a request head (HTTP/1.1 buffer, HTTP/2 header list).
/// AWS: API Gateway allows 10,240 bytes of headers in total; session tokens and cookies of SDKs stay below 16 KiB.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields of a request.
pub const HEADERS_MAX: usize = 128;
/// Bytes of a request target. AWS: 8,192 to 10,240 in API Gateway; presigned URLs with session tokens reach 4,000.
pub const TARGET_BYTES_MAX: usize = 16 * 1024;
/// Bytes of all bodies being received or worked on, over all connections of a listener. Whoever exceeds it is told to
/// come back: without it, unauthenticated clients could fill the memory with bodies that are each within their limit.
pub const BODIES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The same for all streams of one execution environment together (it has one caller: itself).
pub const STREAM_BODIES_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Seconds for the first byte of a connection, for a complete request head, and between two requests of an HTTP/1.1
/// connection.
pub const HEAD_S: u64 = 15;
/// Seconds for a TLS handshake.
pub const HANDSHAKE_S: u64 = 10;
/// Seconds a connection may be without a request in progress. Also the time in which an answer must have been taken.
/// AWS: load balancers close after 60.
pub const IDLE_S: u64 = 60;
/// Seconds between two pieces of a body.
pub const BODY_PAUSE_S: u64 = 20;
/// Seconds for a whole body (70 MB over 2 MB/s).
pub const BODY_S: u64 = 60;
/// Concurrent HTTP/2 streams of one connection.
pub const STREAMS_MAX: u32 = 128;
/// Seconds that requests in flight have at shutdown.
pub const SHUTDOWN_S: u64 = 10;
/// Milliseconds without accepting after the system refused to give a connection (out of descriptors): the ones that are
/// open must end first.
pub const ACCEPT_PAUSE_MS: u64 = 100;

/// The limits that tests make small enough to be reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) connections_per_client: usize,
    pub(super) bodies_bytes: usize,
    pub(super) head: Duration,
    pub(super) handshake: Duration,
    pub(super) idle: Duration,
    pub(super) body_pause: Duration,
    pub(super) body: Duration,
    pub(super) shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            connections_per_client: CONNECTIONS_PER_CLIENT_MAX,
            bodies_bytes: BODIES_BYTES_MAX,
            head: Duration::from_secs(HEAD_S),
            handshake: Duration::from_secs(HANDSHAKE_S),
            idle: Duration::from_secs(IDLE_S),
            body_pause: Duration::from_secs(BODY_PAUSE_S),
            body: Duration::from_secs(BODY_S),
            shutdown: Duration::from_secs(SHUTDOWN_S),
        }
    }
}
