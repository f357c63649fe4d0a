//! `DescribeStackResources`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeStackResources, DescribeStackResourcesInput, DescribeStackResourcesOutput, Error},
};

impl Operation<DescribeStackResources> for CloudFormation {}
