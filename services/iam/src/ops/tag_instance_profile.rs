//! `TagInstanceProfile`: adds or replaces tags of an instance profile.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, TagInstanceProfile, TagInstanceProfileInput, TagInstanceProfileOutput},
    profiles::ProfileRow,
    tags,
};

impl Operation<TagInstanceProfile> for Iam {
    fn access(&self, input: &TagInstanceProfileInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_profile("iam:TagInstanceProfile", &input.instance_profile_name, caller)?;
        Ok(tags::asked_with(access, Some(&input.tags)))
    }

    async fn run(&self, call: Call<TagInstanceProfile>) -> Result<TagInstanceProfileOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        let given = tags::pairs(&input.tags);
        self.change(move |tx| {
            let mut profile = ProfileRow::fetch(tx, &scope, &input.instance_profile_name)?;
            tags::add(&mut profile.tags, &given)?;
            profile.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(TagInstanceProfileOutput {})
    }
}
