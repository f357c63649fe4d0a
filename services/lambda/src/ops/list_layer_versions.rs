//! `ListLayerVersions`: the versions of a layer, newest first.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, ListLayerVersions, ListLayerVersionsInput, ListLayerVersionsOutput},
    ask,
    layer::LayerVersion,
    page::Page,
    resource::LayerRef,
};

/// Versions of one page.
// AWS: 50 (model of MaxItems).
const PAGE_MAX: usize = 50;

impl Operation<ListLayerVersions> for Lambda {
    // AWS: the action has no resource. Another account's layer is asked for by its ARN, where only its own account answers.
    fn access(&self, input: &ListLayerVersionsInput, caller: &Caller) -> Result<Access, Error> {
        let at = LayerRef::parse(&input.layer_name, &self.env, caller);
        if caller.account().is_some_and(|account| account == at.scope.account) {
            return Ok(Access::on_any("lambda:ListLayerVersions"));
        }
        Ok(Access::Iam(vec![ask::on("lambda:ListLayerVersions", at.arn(), caller)]))
    }

    async fn run(&self, call: Call<ListLayerVersions>) -> Result<ListLayerVersionsOutput, Error> {
        let input = &call.input;
        let at = LayerRef::parse(&input.layer_name, &self.env, call.caller());
        at.check(&self.env)?;
        let page = Page::of(at.key(), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let mut found = self
            .env
            .store
            .read(|tx| tx.scan_reverse::<LayerVersion>(&page.prefix, page.after.as_ref(), usize::MAX))?;
        found.retain(|(_, version)| {
            version.suits(input.compatible_runtime.as_deref(), input.compatible_architecture)
        });
        let (versions, next_marker) = page.cut(found);
        let layer_versions = Some(versions.iter().map(LayerVersion::listed).collect());
        Ok(ListLayerVersionsOutput { next_marker, layer_versions })
    }
}
