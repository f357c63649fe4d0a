//! The vocabulary between the wire and the typed operations: [`Schema`] says what a shape is, [`Document`] holds a value
//! of it, [`check`] finds what is wrong with the value. No I/O, no protocol, no service.
//!
//! A codec turns bytes into a `Document` by schema; generated code turns a `Document` into a typed input. Two steps
//! instead of one, because admission lies between *syntax* (needed to know what is asked for) and *constraints* (which a
//! caller without rights must not be able to probe).

mod constraints;
mod document;
mod meta;
mod pattern;
mod value;

pub use constraints::{Violation, check, validation_message};
pub use document::Document;
pub use meta::{
    Auth, Constraints, ErrorMeta, HttpBinding, Kind, Location, Member, OpMeta, Protocol, Schema, ServiceMeta,
    TimestampFormat,
};
pub use pattern::pattern_is_usable;
pub use value::Value;

/// A generated type: knows its schema and converts from and to a document.
///
/// `from_document` never fails: a missing or ill-typed member becomes the type's default, because [`check`] has already
/// recorded the violation and the operation will be refused after admission.
pub trait Shape: Sized + Send + Sync + 'static {
    /// What the shape is.
    const SCHEMA: &'static Schema;

    /// Reads the typed value.
    fn from_document(document: Document) -> Self;

    /// Writes the typed value. Absent members are left out.
    fn into_document(self) -> Document;
}
