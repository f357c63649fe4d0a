//! `DeleteStack`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DeleteStack, DeleteStackInput, DeleteStackOutput, Error},
};

impl Operation<DeleteStack> for CloudFormation {}
