//! `ListStacks`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, ListStacks, ListStacksInput, ListStacksOutput},
};

impl Operation<ListStacks> for CloudFormation {}
