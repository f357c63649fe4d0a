//! `ListCodeSigningConfigs`: those of the caller's account in this region.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Lambda,
    api::{Error, ListCodeSigningConfigs, ListCodeSigningConfigsInput, ListCodeSigningConfigsOutput},
    page::Page,
    signing::Config,
};

/// Configurations of one page. Ours: AWS names no number.
const PAGE_MAX: usize = 50;

impl Operation<ListCodeSigningConfigs> for Lambda {
    fn access(&self, _input: &ListCodeSigningConfigsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("lambda:ListCodeSigningConfigs"))
    }

    async fn run(&self, call: Call<ListCodeSigningConfigs>) -> Result<ListCodeSigningConfigsOutput, Error> {
        let input = &call.input;
        let page = Page::of(Key::of(call.scope()), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let found = self.env.store.read(|tx| page.scan::<Config>(tx))?;
        let (configs, next_marker) = page.cut(found);
        let shown = configs.iter().map(Config::shown).collect();
        Ok(ListCodeSigningConfigsOutput { code_signing_configs: Some(shown), next_marker })
    }
}
