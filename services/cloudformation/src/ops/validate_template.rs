//! `ValidateTemplate`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, ValidateTemplate, ValidateTemplateInput, ValidateTemplateOutput},
};

impl Operation<ValidateTemplate> for CloudFormation {}
