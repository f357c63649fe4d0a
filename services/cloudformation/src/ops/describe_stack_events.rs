//! `DescribeStackEvents`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeStackEvents, DescribeStackEventsInput, DescribeStackEventsOutput, Error},
};

impl Operation<DescribeStackEvents> for CloudFormation {}
