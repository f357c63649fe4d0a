//! Links to packages served: one GET, from its path and token to the last byte of the zip.
//!
//! ```text
//! path ─▶ from outside? ─▶ GET? ─▶ open the token ─▶ in time? ─▶ has it still the package? ─▶ room? ─▶ pieces
//! ```
//! Nothing about what exists is said to whoever has no token that opens. The audit record names the request that the link was
//! given in as what caused this one. Refuses to know how links are made.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use casemate_kernel::{
    BodySender, BodyStream, BoxFuture, Caller, DataPlane, Exchange, Fault, Outgoing, Peer,
};
use casemate_names::AccountId;
use casemate_wire::Head;
use hyper::{Method, StatusCode, header, header::HeaderValue};

use super::{
    Dead, Link, arn_of,
    room::{Part, Room},
};
use crate::Lambda;

/// Bytes of a package that are handed to the connection at a time.
const PIECE_BYTES: usize = 64 << 10;
/// How long sending one package may take. Ours: who takes 50 MB more slowly (85 kB/s) is cut off, or slow clients would keep
/// the room from others.
const SEND_LIMIT: Duration = Duration::from_mins(10);

/// Serves packages to whoever has a link.
pub(crate) struct Plane {
    lambda: Arc<Lambda>,
    room: Room,
}

/// Why nothing is sent.
#[derive(Debug)]
enum Refusal {
    /// The request comes from inside an execution environment.
    Inside,
    Method,
    Dead(Dead),
    Busy,
    Broken(Fault),
}

impl Refusal {
    /// Status, code and text.
    // AWS: codes and the first text as S3 answers presigned requests; `SlowDown` is its answer to too many requests, here with a
    // text of ours, as are the others.
    const fn said(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Dead(Dead::Expired) => (StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"),
            Self::Dead(Dead::Unknown) => (
                StatusCode::FORBIDDEN,
                "SignatureDoesNotMatch",
                "The link is not one that this server has given, or it was altered.",
            ),
            Self::Dead(Dead::Gone) => {
                (StatusCode::NOT_FOUND, "NoSuchKey", "What the link led to does not exist any more.")
            }
            Self::Inside => (
                StatusCode::FORBIDDEN,
                "AccessDenied",
                "Links to packages are not served inside execution environments.",
            ),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Links are for GET only."),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "SlowDown",
                "Too many packages are being downloaded; please try again.",
            ),
            Self::Broken(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error.")
            }
        }
    }

    fn answer(&self, request_id: &str) -> Outgoing {
        let (status, code, message) = self.said();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
             <RequestId>{request_id}</RequestId></Error>"
        );
        Outgoing::new(status, "application/xml", body)
    }

    /// For the audit record.
    fn why(&self) -> String {
        match self {
            Self::Dead(dead) => dead.to_string(),
            Self::Broken(fault) => format!("the package cannot be read: {fault:?}"),
            other => other.said().2.to_owned(),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

impl DataPlane for Plane {
    fn matches(&self, head: &Head) -> bool {
        arn_of(head.path()).is_some()
    }

    // Said to nobody but who has a link: whether an account is closed is not for strangers.
    fn owner(&self, head: &Head) -> Result<Option<AccountId>, Fault> {
        let arn = arn_of(head.path());
        let given = |arn: &_| Link::open(&self.lambda.env.store, arn, head.query()).is_ok();
        Ok(arn.filter(given).and_then(|arn| arn.account_id()))
    }

    fn body_bytes_max(&self) -> usize {
        0
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            exchange.record().routed("lambda", "download");
            exchange.record().identified(&Caller::Anonymous, None);
            let mut outgoing = match self.answer(exchange).await {
                Ok(body) => Outgoing {
                    stream: Some(body),
                    ..Outgoing::new(StatusCode::OK, "application/zip", Bytes::new())
                },
                Err(refusal) => {
                    exchange.record().detail(refusal.why());
                    refusal.answer(exchange.request_id.as_str())
                }
            };
            for (name, value) in [
                // The link is in the address: no page that is opened from here learns it, and nobody keeps what it gave.
                (header::REFERRER_POLICY, "no-referrer"),
                (header::CACHE_CONTROL, "private, no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ] {
                outgoing.headers.insert(name, HeaderValue::from_static(value));
            }
            if let Ok(id) = HeaderValue::from_str(exchange.request_id.as_str()) {
                outgoing.headers.insert("x-amz-request-id", id);
            }
            outgoing
        })
    }
}

impl Plane {
    pub(crate) fn new(lambda: Arc<Lambda>) -> Self {
        Self { lambda, room: Room::default() }
    }

    async fn answer(&self, exchange: &mut Exchange) -> Result<BodyStream, Refusal> {
        // A link is a right of whoever has it, from wherever: inside an environment nothing counts but what is bound to it, and what
        // reaches a function does so by its egress list, not past it.
        if !matches!(exchange.peer(), Peer::Network { .. }) {
            return Err(Refusal::Inside);
        }
        if exchange.head().method != Method::GET {
            return Err(Refusal::Method);
        }
        let env = &self.lambda.env;
        let arn = arn_of(exchange.head().path()).ok_or(Refusal::Dead(Dead::Unknown))?;
        let account = arn.account_id().ok_or(Refusal::Dead(Dead::Unknown))?;
        let link = Link::open(&env.store, &arn, exchange.head().query()).map_err(Refusal::Dead)?;
        exchange.record().parent(&link.request_id());
        let (code, bytes) = link.package(env, &arn, exchange.now)?.map_err(Refusal::Dead)?;
        let part = self.room.take(&account, bytes).ok_or(Refusal::Busy)?;
        let archive = env.blobs.get(code).await.map_err(Fault::internal)?;
        // Its last function may have gone since that was looked at.
        let archive = archive.ok_or(Refusal::Dead(Dead::Gone))?;
        exchange.record().detail(format!("the package {code} of {arn}"));
        let (sender, body) = BodyStream::channel();
        drop(tokio::spawn(send(archive, sender, part)));
        Ok(body)
    }
}

/// Sends a package in pieces of its own, so that the whole goes with the last of them. What is cut off is broken off for the client.
async fn send(archive: Vec<u8>, sender: BodySender, part: Part) {
    let all = async {
        for piece in archive.chunks(PIECE_BYTES) {
            if sender.send(Bytes::copy_from_slice(piece)).await.is_err() {
                return;
            }
        }
        sender.finish().await;
    };
    drop(tokio::time::timeout(SEND_LIMIT, all).await);
    drop((archive, part));
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").finish_non_exhaustive()
    }
}
