//! Between bytes and documents: which operation a request means ([`Router`]) and how each wire protocol spells its input,
//! its answer and its errors ([`decode`], [`encode`], [`encode_error`], and the client's side, [`encode_request`]).
//!
//! Everything here is driven by [`casemate_schema::OpMeta`]; no service's name occurs in this crate. It refuses to know
//! who is calling, what is allowed, and whether a value is legal: it reads *syntax*. Constraints are checked after
//! admission, by [`casemate_schema::check`].
//!
//! | protocol | requests | answers |
//! |---|---|---|
//! | awsJson 1.0 and 1.1 | [`json`] | [`json`] |
//! | awsQuery | `query::read` | `query::write_xml` |
//! | restJson | `rest::read` | `rest::write` |
//! | restXml | has its place beside `rest` | |

mod answer;
mod client;
mod codec;
mod error;
pub mod event_stream;
mod head;
mod http_value;
mod json;
mod query;
mod rest;
mod router;

pub use answer::{Dialect, ErrorAnswer, FaultOf, HttpAnswer, encode_error};
pub use client::{EncodeError, HttpRequest, encode_request};
pub use codec::{body_bytes_max, decode, encode};
pub use error::{DecodeError, WireError, WireErrorKind};
pub use head::Head;
pub use json::{document_from_json, document_to_json};
pub use router::{Route, Router};
