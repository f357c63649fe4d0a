//! `DescribeStacks`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeStacks, DescribeStacksInput, DescribeStacksOutput, Error},
};

impl Operation<DescribeStacks> for CloudFormation {}
