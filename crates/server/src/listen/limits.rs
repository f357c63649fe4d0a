//! The limits of a listener, in one place. Bodies have their own by operation: [`casemate_kernel::Kernel::body_limit`].

/// Open connections per listener; further ones wait in the kernel's accept queue.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Bytes of a request head (HTTP/1.1 buffer, HTTP/2 header list).
/// AWS: API Gateway allows 10,240 bytes of headers in total; session tokens and cookies of SDKs stay below 16 KiB.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields of a request.
pub const HEADERS_MAX: usize = 128;
/// Bytes of a request target. AWS: 8,192 to 10,240 in API Gateway; presigned URLs with session tokens reach 4,000.
pub const TARGET_BYTES_MAX: usize = 16 * 1024;
/// Seconds for a complete request head, and for the first byte of a connection.
pub const HEAD_S: u64 = 15;
/// Seconds for a TLS handshake.
pub const HANDSHAKE_S: u64 = 10;
/// Seconds between two pieces of a body.
pub const BODY_PAUSE_S: u64 = 20;
/// Seconds for a whole body (70 MB over 2 MB/s).
pub const BODY_S: u64 = 60;
/// Concurrent HTTP/2 streams of one connection.
pub const STREAMS_MAX: u32 = 128;
/// Seconds that requests in flight have at shutdown.
pub const SHUTDOWN_S: u64 = 10;
