//! `ListStacks`: summaries of stacks, deleted ones too.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, ListStacks, ListStacksInput, ListStacksOutput},
    stack, view,
};

/// Stacks looked at for one page. Our own figure; AWS pages by 1 MB.
const PAGE: usize = 100;

impl Operation<ListStacks> for CloudFormation {
    fn access(&self, _input: &ListStacksInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("cloudformation:ListStacks"))
    }

    async fn run(&self, call: Call<ListStacks>) -> Result<ListStacksOutput, Error> {
        let after = call.input.next_token.as_deref();
        let rows = self.env.store.read(|tx| stack::list(tx, call.scope(), after, PAGE))?;
        let next_token = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.id.clone());
        let wanted = call.input.stack_status_filter.as_deref().unwrap_or_default();
        let summaries = rows
            .iter()
            .filter(|row| wanted.is_empty() || wanted.contains(&row.status()))
            .map(view::summary)
            .collect();
        Ok(ListStacksOutput { stack_summaries: Some(summaries), next_token })
    }
}
