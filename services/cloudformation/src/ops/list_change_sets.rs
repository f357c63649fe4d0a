//! `ListChangeSets`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, ListChangeSets, ListChangeSetsInput, ListChangeSetsOutput},
};

impl Operation<ListChangeSets> for CloudFormation {}
