//! `UntagResource`: removes tags from a root, unit, account or policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, UntagResource, UntagResourceInput, UntagResourceOutput},
    policies,
};

impl Operation<UntagResource> for Organizations {
    fn access(&self, input: &UntagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask("organizations:UntagResource", &[&input.resource_id], None, caller)?;
        let keys = input.tag_keys.clone();
        Ok(if keys.is_empty() { access } else { access.with("aws:TagKeys", keys) })
    }

    async fn run(&self, call: Call<UntagResource>) -> Result<UntagResourceOutput, Error> {
        let input = call.input.clone();
        self.change(call.scope(), move |tx, organization| {
            policies::check_taggable(tx, organization, &input.resource_id)?;
            if let Some(tags) = organization.tags.get_mut(&input.resource_id) {
                tags.retain(|key, _| !input.tag_keys.contains(key));
            }
            Ok(())
        })
        .await?;
        Ok(UntagResourceOutput {})
    }
}
