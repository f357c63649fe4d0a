//! SAML 2.0 for whoever trusts an identity provider: its metadata, and responses with an assertion that it signed.
//!
//! The set of what is understood is closed. One assertion a response, in the open or encrypted for a key of ours; enveloped signatures with exclusive
//! canonicalisation and RSA with SHA-2, made with a key of the provider's metadata; nothing a document says chooses a key,
//! an algorithm outside of that, or what part of the document a signature covers. What is read is the very tree whose
//! canonical form was verified, so that no second reading of the text can differ from the first.
//!
//! Everything is synchronous: the time of day is a parameter, and nothing is fetched. The crate refuses to know what an
//! attribute means and who may have one.

mod canonical;
mod certificate;
mod encryption;
mod metadata;
mod response;
mod signature;
mod xml;

pub use certificate::is_certificate;
pub use encryption::DecryptionKey;
pub use metadata::{InvalidMetadata, Metadata};
pub use response::{Assertion, Attribute, Encryption, Expected, Rejected, read_response};
pub use xml::InvalidXml;
