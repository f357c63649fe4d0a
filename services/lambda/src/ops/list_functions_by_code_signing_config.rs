//! `ListFunctionsByCodeSigningConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use super::get_code_signing_config::config_ask;
use crate::{
    Lambda,
    api::{
        Error, ListFunctionsByCodeSigningConfig, ListFunctionsByCodeSigningConfigInput,
        ListFunctionsByCodeSigningConfigOutput,
    },
    page::Page,
    resource::FunctionRef,
    signing::Use,
};

/// Functions of one page. Ours: AWS names no number.
const PAGE_MAX: usize = 50;

impl Operation<ListFunctionsByCodeSigningConfig> for Lambda {
    fn access(
        &self,
        input: &ListFunctionsByCodeSigningConfigInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let action = "lambda:ListFunctionsByCodeSigningConfig";
        Ok(Access::Iam(vec![config_ask(action, &input.code_signing_config_arn, caller)]))
    }

    async fn run(
        &self,
        call: Call<ListFunctionsByCodeSigningConfig>,
    ) -> Result<ListFunctionsByCodeSigningConfigOutput, Error> {
        let input = &call.input;
        let config = self.code_signing_config(&input.code_signing_config_arn)?;
        let mut page = Page::of(Key::of(call.scope()), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let limit = page.limit;
        // Functions with another configuration take no place on a page.
        page.limit = usize::MAX;
        let mut found = self.env.store.read(|tx| page.scan::<Use>(tx))?;
        found.retain(|(_, Use(arn))| *arn == config.arn);
        page.limit = limit;
        let named = found.into_iter().filter_map(|(key, _)| Some((key.clone(), key.text_at(0)?)));
        let (names, next_marker) = page.cut(named.collect());
        let arn = |name: String| {
            let at = FunctionRef::within(&name, None, call.scope().clone());
            at.arn().as_str().to_owned()
        };
        Ok(ListFunctionsByCodeSigningConfigOutput {
            function_arns: Some(names.into_iter().map(arn).collect()),
            next_marker,
        })
    }
}
