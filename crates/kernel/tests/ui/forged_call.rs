//! A call cannot be put together without a permit.

fn forge<O: casemate_kernel::OperationModel>(input: O::Input) -> casemate_kernel::Call<O> {
    casemate_kernel::Call { input }
}

fn main() {}
