//! An operation that does not say what must be allowed is no operation.

use casemate_kernel::{Call, Caller, Fault, Operation, OperationModel, Proof, ResourcePolicy, Service};
use casemate_names::{Arn, Timestamp};

#[derive(Debug)]
struct Careless;

impl Service for Careless {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &[];
    const VALIDATION_CODE: &'static str = "";

    fn verify(&self, _: &Proof, _: Timestamp) -> Result<Caller, Fault> {
        Ok(Caller::Anonymous)
    }

    fn resource_policy(&self, _: &Arn, _: &str) -> Result<Option<ResourcePolicy>, Fault> {
        Ok(None)
    }

    fn tags(&self, _: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(Vec::new())
    }
}

impl<O: OperationModel> Operation<O> for Careless {
    async fn run(&self, _: Call<O>) -> Result<O::Output, Fault> {
        Err(Fault::broken("not reached"))
    }
}

fn main() {}
