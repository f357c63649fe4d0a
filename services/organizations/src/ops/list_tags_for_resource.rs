//! `ListTagsForResource`: the tags of a root, unit, account or policy, all on one page.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListTagsForResource, ListTagsForResourceInput, ListTagsForResourceOutput, Tag},
    policies,
};

impl Operation<ListTagsForResource> for Organizations {
    fn access(&self, input: &ListTagsForResourceInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:ListTagsForResource", &[&input.resource_id], None, caller)
    }

    async fn run(&self, call: Call<ListTagsForResource>) -> Result<ListTagsForResourceOutput, Error> {
        let id = &call.input.resource_id;
        let tags = self.read(call.scope(), |tx, organization| {
            policies::check_taggable(tx, organization, id)?;
            Ok(organization.tags.get(id).cloned().unwrap_or_default())
        })?;
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Ok(ListTagsForResourceOutput { tags: Some(tags), next_token: None })
    }
}
