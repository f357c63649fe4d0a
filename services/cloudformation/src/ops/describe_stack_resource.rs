//! `DescribeStackResource`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeStackResource, DescribeStackResourceInput, DescribeStackResourceOutput, Error},
};

impl Operation<DescribeStackResource> for CloudFormation {}
