//! `ListStackResources`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, ListStackResources, ListStackResourcesInput, ListStackResourcesOutput},
};

impl Operation<ListStackResources> for CloudFormation {}
