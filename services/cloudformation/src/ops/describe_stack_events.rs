//! `DescribeStackEvents`: what happened to a stack, newest first.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeStackEvents, DescribeStackEventsInput, DescribeStackEventsOutput, Error},
    stack, view,
};

/// Events on one page. AWS: 100.
const PAGE: usize = 100;

impl Operation<DescribeStackEvents> for CloudFormation {
    fn access(&self, input: &DescribeStackEventsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_stack("cloudformation:DescribeStackEvents", &input.stack_name, caller))
    }

    async fn run(&self, call: Call<DescribeStackEvents>) -> Result<DescribeStackEventsOutput, Error> {
        let name = &call.input.stack_name;
        let found = self.env.store.read(|tx| stack::find(tx, call.scope(), name))?;
        // AWS: here the name stands in brackets.
        let row = found.ok_or_else(|| Error::Validation(format!("Stack [{name}] does not exist")))?;
        let before = match &call.input.next_token {
            Some(token) => {
                let number = token.parse::<u64>();
                Some(number.map_err(|_| Error::Validation("The NextToken is not valid".to_owned()))?)
            }
            None => None,
        };
        let events = self.env.store.read(|tx| stack::events(tx, call.scope(), &row.id, before, PAGE))?;
        let next_token = events.last().filter(|_| events.len() == PAGE).map(|(number, _)| number.to_string());
        let events = events.into_iter().map(|(_, event)| view::event(&row, event)).collect();
        Ok(DescribeStackEventsOutput { stack_events: Some(events), next_token })
    }
}
