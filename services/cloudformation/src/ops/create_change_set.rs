//! `CreateChangeSet`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{CreateChangeSet, CreateChangeSetInput, CreateChangeSetOutput, Error},
};

impl Operation<CreateChangeSet> for CloudFormation {}
