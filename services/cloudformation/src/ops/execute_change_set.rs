//! `ExecuteChangeSet`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, ExecuteChangeSet, ExecuteChangeSetInput, ExecuteChangeSetOutput},
};

impl Operation<ExecuteChangeSet> for CloudFormation {}
