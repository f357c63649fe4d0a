//! An operation that does not say what must be allowed is no operation.

use casemate_kernel::{Call, Fault, Operation, OperationModel};

#[derive(Debug)]
struct Careless;

impl<O: OperationModel> Operation<O> for Careless {
    async fn run(&self, _: Call<O>) -> Result<O::Output, Fault> {
        Err(Fault::broken("not reached"))
    }
}

fn main() {}
