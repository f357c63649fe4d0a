//! `UntagInstanceProfile`: removes tags of an instance profile.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UntagInstanceProfile, UntagInstanceProfileInput, UntagInstanceProfileOutput},
    profiles::ProfileRow,
    tags,
};

impl Operation<UntagInstanceProfile> for Iam {
    fn access(&self, input: &UntagInstanceProfileInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on_profile("iam:UntagInstanceProfile", &input.instance_profile_name, caller)?
            .with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagInstanceProfile>) -> Result<UntagInstanceProfileOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let mut profile = ProfileRow::fetch(tx, &scope, &input.instance_profile_name)?;
            tags::remove(&mut profile.tags, &input.tag_keys);
            profile.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(UntagInstanceProfileOutput {})
    }
}
