//! `CreateInstanceProfile`: makes an instance profile without a role.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{CreateInstanceProfile, CreateInstanceProfileInput, CreateInstanceProfileOutput, Error},
    profiles::{NOUN, ProfileRow},
    resource::entity_arn,
    show::Detail,
    tags, to_the_second,
};

/// Instance profiles per account.
// AWS: IAM quotas, "Instance profiles in an account" (default).
pub(crate) const PROFILES_MAX: usize = 1000;

impl Operation<CreateInstanceProfile> for Iam {
    fn access(&self, input: &CreateInstanceProfileInput, caller: &Caller) -> Result<Access, Error> {
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entity_arn(&self.scope(caller), NOUN, path, &input.instance_profile_name);
        Ok(tags::asked_with(Access::on("iam:CreateInstanceProfile", arn), input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreateInstanceProfile>) -> Result<CreateInstanceProfileOutput, Error> {
        let scope = call.scope().clone();
        let made = ProfileRow {
            path: call.input.path.clone().unwrap_or_else(|| "/".to_owned()),
            unique_id: self.unique_id("AIPA"),
            created_at: to_the_second(call.now()),
            tags: tags::taken(call.input.tags.as_deref())?,
            roles: Vec::new(),
            name: call.input.instance_profile_name,
        };
        let env = self.env.clone();
        let instance_profile = self
            .change(move |tx| {
                if ProfileRow::find(tx, &scope, &made.name)?.is_some() {
                    // AWS: text of EntityAlreadyExists.
                    let text = format!("Instance Profile {} already exists.", made.name);
                    return Err(Error::entity_already_exists_exception(text));
                }
                let known = tx.keys::<ProfileRow>(&Key::of_account(&scope), None, PROFILES_MAX)?;
                if known.len() >= PROFILES_MAX {
                    let text = format!("Cannot exceed quota for InstanceProfilesPerAccount: {PROFILES_MAX}");
                    return Err(Error::limit_exceeded_exception(text));
                }
                made.save(tx, &scope)?;
                made.shown(tx, &env, &scope, Detail::Full)
            })
            .await?;
        Ok(CreateInstanceProfileOutput { instance_profile })
    }
}
