//! `ListFunctionUrlConfigs`: the URLs of a function and of its aliases.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, ListFunctionUrlConfigs, ListFunctionUrlConfigsInput, ListFunctionUrlConfigsOutput},
    ask,
    function_url::FunctionUrl,
    page::Page,
};

/// URLs of one page.
// AWS: 50 (model of MaxItems).
const PAGE_MAX: usize = 50;

impl Operation<ListFunctionUrlConfigs> for Lambda {
    fn access(&self, input: &ListFunctionUrlConfigsInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        // The URLs may differ in their auth types.
        let ask = ask::on("lambda:ListFunctionUrlConfigs", at.requested_arn(), caller);
        Ok(Access::Iam(vec![ask.with_unknown("lambda:FunctionUrlAuthType")]))
    }

    async fn run(&self, call: Call<ListFunctionUrlConfigs>) -> Result<ListFunctionUrlConfigsOutput, Error> {
        let input = &call.input;
        let at = self.at(&input.function_name, None, call.caller());
        self.latest(&at)?;
        let page = Page::of(at.key(), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let found = self.env.store.read(|tx| page.scan::<FunctionUrl>(tx))?;
        let (urls, next_marker) = page.cut(found);
        let endpoint = &self.env.site.endpoint;
        let function_url_configs = urls.iter().map(|url| url.shown(endpoint)).collect();
        Ok(ListFunctionUrlConfigsOutput { function_url_configs, next_marker })
    }
}
