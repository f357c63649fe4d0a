//! `GetTemplate`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, GetTemplate, GetTemplateInput, GetTemplateOutput},
};

impl Operation<GetTemplate> for CloudFormation {}
