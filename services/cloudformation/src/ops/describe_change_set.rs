//! `DescribeChangeSet`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeChangeSet, DescribeChangeSetInput, DescribeChangeSetOutput, Error},
};

impl Operation<DescribeChangeSet> for CloudFormation {}
