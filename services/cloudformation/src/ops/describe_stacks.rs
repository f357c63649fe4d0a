//! `DescribeStacks`: one stack, or all that are not deleted.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeStacks, DescribeStacksInput, DescribeStacksOutput, Error},
    stack, view,
};

/// Stacks on one page. Our own figure; AWS pages by 1 MB.
const PAGE: usize = 100;

impl Operation<DescribeStacks> for CloudFormation {
    fn access(&self, input: &DescribeStacksInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: describing all stacks asks for `*` as the stack's name.
        Ok(self.on_stack("cloudformation:DescribeStacks", input.stack_name.as_deref().unwrap_or("*"), caller))
    }

    async fn run(&self, call: Call<DescribeStacks>) -> Result<DescribeStacksOutput, Error> {
        let scope = call.scope();
        if let Some(name) = &call.input.stack_name {
            let stack = view::stack(&self.stack(scope, name)?);
            return Ok(DescribeStacksOutput { stacks: Some(vec![stack]), next_token: None });
        }
        let after = call.input.next_token.as_deref();
        let rows = self.env.store.read(|tx| stack::list(tx, scope, after, PAGE))?;
        let next_token = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.id.clone());
        let stacks = rows.iter().filter(|row| !row.is_deleted()).map(view::stack).collect();
        Ok(DescribeStacksOutput { stacks: Some(stacks), next_token })
    }
}
