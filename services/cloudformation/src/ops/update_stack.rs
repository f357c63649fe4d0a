//! `UpdateStack`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, UpdateStack, UpdateStackInput, UpdateStackOutput},
};

impl Operation<UpdateStack> for CloudFormation {}
