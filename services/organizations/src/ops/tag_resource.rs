//! `TagResource`: tags on a root, unit, account or policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, TagResource, TagResourceInput, TagResourceOutput},
    policies, tags,
};

impl Operation<TagResource> for Organizations {
    fn access(&self, input: &TagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask("organizations:TagResource", &[&input.resource_id], None, caller)?;
        Ok(tags::asked_with(access, Some(&input.tags)))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let input = call.input.clone();
        self.change(call.scope(), move |tx, organization| {
            policies::check_taggable(tx, organization, &input.resource_id)?;
            tags::add(organization.tags.entry(input.resource_id.clone()).or_default(), &input.tags)
        })
        .await?;
        Ok(TagResourceOutput {})
    }
}
