//! `DescribeResourcePolicy`: the policy by which an organisation delegates its administration.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DescribeResourcePolicy, DescribeResourcePolicyInput, DescribeResourcePolicyOutput, Error},
};

impl Operation<DescribeResourcePolicy> for Organizations {
    fn access(&self, _input: &DescribeResourcePolicyInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:DescribeResourcePolicy"))
    }

    // PutResourcePolicy is not offered, so that no organisation has one.
    async fn run(&self, call: Call<DescribeResourcePolicy>) -> Result<DescribeResourcePolicyOutput, Error> {
        self.read(call.scope(), |_, _| {
            // AWS: API reference, DescribeResourcePolicy, ResourcePolicyNotFoundException.
            let text = "We can't find a resource policy request with the parameter that you specified.";
            Err(Error::resource_policy_not_found_exception(text))
        })
    }
}
