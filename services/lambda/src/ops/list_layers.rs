//! `ListLayers`: the layers of the caller's account in this region by name, each with its newest version.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Lambda,
    api::{Error, LayersListItem, ListLayers, ListLayersInput, ListLayersOutput},
    configuration,
    layer::LayerVersion,
    page::Page,
    resource::functions_key,
};

/// Layers of one page.
// AWS: 50 (model of MaxItems).
const PAGE_MAX: usize = 50;

impl Operation<ListLayers> for Lambda {
    fn access(&self, _input: &ListLayersInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("lambda:ListLayers"))
    }

    async fn run(&self, call: Call<ListLayers>) -> Result<ListLayersOutput, Error> {
        let input = &call.input;
        if let Some(runtime) = &input.compatible_runtime {
            configuration::check_runtime(runtime, "compatibleRuntime", self.invoker.driver())?;
        }
        let all = functions_key(call.scope());
        let page = Page::of(all.clone(), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let versions = self.env.store.read(|tx| tx.scan::<LayerVersion>(&all, None, usize::MAX))?;
        let mut newest = BTreeMap::<String, LayerVersion>::new();
        for (_, version) in versions {
            if version.suits(input.compatible_runtime.as_deref(), input.compatible_architecture) {
                newest.insert(version.name.clone(), version);
            }
        }
        let mut found: Vec<(Key, LayerVersion)> =
            newest.into_iter().map(|(name, version)| (all.clone().text(&name), version)).collect();
        found.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        found.retain(|(key, _)| page.after.as_ref().is_none_or(|after| key.as_bytes() > after.as_bytes()));
        let (layers, next_marker) = page.cut(found);
        let item = |version: LayerVersion| LayersListItem {
            layer_name: Some(version.name.clone()),
            layer_arn: Some(version.layer.as_str().to_owned()),
            latest_matching_version: Some(version.listed()),
        };
        Ok(ListLayersOutput { next_marker, layers: Some(layers.into_iter().map(item).collect()) })
    }
}
