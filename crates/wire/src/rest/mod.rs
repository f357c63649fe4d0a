//! restJson: members spread over path, query, headers, status and body.
//!
//! restXml will share everything here but the body, which is why [`read`] and [`write`] keep the two apart.

mod read;
mod write;

pub(crate) use read::read_input;
pub(crate) use write::{error_headers, write_output, write_request};

/// Which member is the whole body, if one is.
fn payload(schema: &casemate_schema::Schema) -> Option<&'static casemate_schema::Member> {
    match schema.kind {
        casemate_schema::Kind::Structure { payload: Some(name), .. } => schema.member(name),
        _ => None,
    }
}
