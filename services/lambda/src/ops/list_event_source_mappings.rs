//! `ListEventSourceMappings`: of one function or source, or of the account.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Lambda,
    api::{Error, ListEventSourceMappings, ListEventSourceMappingsInput, ListEventSourceMappingsOutput},
    mapping::Mapping,
    page::Page,
    resource::FunctionRef,
};

/// Mappings of one page.
// AWS: 100 ("Event source mappings … Note that ListEventSourceMappings returns a maximum of 100 items in each response").
const PAGE_MAX: usize = 100;

impl Operation<ListEventSourceMappings> for Lambda {
    fn access(&self, _input: &ListEventSourceMappingsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("lambda:ListEventSourceMappings"))
    }

    async fn run(&self, call: Call<ListEventSourceMappings>) -> Result<ListEventSourceMappingsOutput, Error> {
        let input = &call.input;
        let of = match &input.function_name {
            Some(name) => Some(self.fed(name, call.caller())?),
            None => None,
        };
        let prefix = of.as_ref().map_or_else(|| Key::of(call.scope()), FunctionRef::key);
        let wanted = |mapping: &Mapping| {
            let arn = mapping.source.arn.as_ref().map(casemate_names::Arn::as_str);
            let function = of.as_ref().is_none_or(|of| mapping.function == of.requested_arn());
            function && input.event_source_arn.as_deref().is_none_or(|source| arn == Some(source))
        };
        let page = Page::of(prefix, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let (mappings, next_marker) = page.cut(self.env.store.read(|tx| page.scan_for(tx, wanted))?);
        let shown = mappings.iter().map(Mapping::shown).collect();
        Ok(ListEventSourceMappingsOutput { event_source_mappings: Some(shown), next_marker })
    }
}
