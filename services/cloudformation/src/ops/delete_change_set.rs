//! `DeleteChangeSet`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DeleteChangeSet, DeleteChangeSetInput, DeleteChangeSetOutput, Error},
};

impl Operation<DeleteChangeSet> for CloudFormation {}
