//! awsQuery: form-encoded requests, XML answers and errors.

mod read;
mod write_form;
mod write_xml;

pub(crate) use read::read_input;
pub(crate) use write_form::write_form;
pub(crate) use write_xml::{answer_xml, error_xml};

/// The part of a name that holds the elements of a flattened list: the last part of the list's own name is replaced
/// where the model names the elements.
fn flattened_name<'a>(own: &'a str, member_name: &'a str) -> &'a str {
    if member_name.is_empty() || member_name == DEFAULT_MEMBER_NAME { own } else { member_name }
}

/// The name of list elements unless the model says otherwise.
const DEFAULT_MEMBER_NAME: &str = "member";

fn element_name(member_name: &str) -> &str {
    if member_name.is_empty() { DEFAULT_MEMBER_NAME } else { member_name }
}
