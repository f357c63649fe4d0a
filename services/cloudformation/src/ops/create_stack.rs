//! `CreateStack`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{CreateStack, CreateStackInput, CreateStackOutput, Error},
};

impl Operation<CreateStack> for CloudFormation {}
