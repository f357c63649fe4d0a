//! `ListProvisionedConcurrencyConfigs`: those of a function's versions and aliases.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, ListProvisionedConcurrencyConfigs, ListProvisionedConcurrencyConfigsInput,
        ListProvisionedConcurrencyConfigsOutput,
    },
    ask,
    page::Page,
    provisioned::Provisioned,
};

/// Configurations of one page.
// AWS: 50 (model of MaxItems).
const PAGE_MAX: usize = 50;

impl Operation<ListProvisionedConcurrencyConfigs> for Lambda {
    fn access(
        &self,
        input: &ListProvisionedConcurrencyConfigsInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:ListProvisionedConcurrencyConfigs", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<ListProvisionedConcurrencyConfigs>,
    ) -> Result<ListProvisionedConcurrencyConfigsOutput, Error> {
        let input = &call.input;
        let at = self.at(&input.function_name, None, call.caller());
        self.latest(&at)?;
        let page = Page::of(at.key(), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let found = self.env.store.read(|tx| page.scan::<Provisioned>(tx))?;
        let (rows, next_marker) = page.cut(found);
        let shown = rows.iter().map(|row| self.provisioned_shown(row)).collect::<Result<_, _>>()?;
        Ok(ListProvisionedConcurrencyConfigsOutput {
            provisioned_concurrency_configs: Some(shown),
            next_marker,
        })
    }
}
