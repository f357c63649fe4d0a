//! stub
use crate::{intrinsic::Facts, template::{Template, TemplateError}};
pub(crate) fn expand(template: Template, _facts: &Facts, _stack: &str) -> Result<Template, TemplateError> { Ok(template) }
