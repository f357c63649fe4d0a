//! `ListFunctionEventInvokeConfigs`: those of a function, its versions and its aliases.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, ListFunctionEventInvokeConfigs, ListFunctionEventInvokeConfigsInput,
        ListFunctionEventInvokeConfigsOutput,
    },
    ask,
    event_config::EventConfig,
    page::Page,
};

/// Configurations of one page.
// AWS: 50 (model of MaxItems).
const PAGE_MAX: usize = 50;

impl Operation<ListFunctionEventInvokeConfigs> for Lambda {
    fn access(&self, input: &ListFunctionEventInvokeConfigsInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:ListFunctionEventInvokeConfigs", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<ListFunctionEventInvokeConfigs>,
    ) -> Result<ListFunctionEventInvokeConfigsOutput, Error> {
        let input = &call.input;
        let at = self.at(&input.function_name, None, call.caller());
        self.latest(&at)?;
        let page = Page::of(at.key(), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let found = self.env.store.read(|tx| page.scan::<EventConfig>(tx))?;
        let (configs, next_marker) = page.cut(found);
        let shown = configs.iter().map(EventConfig::shown).collect();
        Ok(ListFunctionEventInvokeConfigsOutput { function_event_invoke_configs: Some(shown), next_marker })
    }
}
