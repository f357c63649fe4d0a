//! `UpdateAlias`: the alias leads elsewhere from now on. Members that are not there stay as they are.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use super::create_alias::{additional, existing};
use crate::{
    Lambda,
    alias::Alias,
    api::{Error, UpdateAlias, UpdateAliasInput, UpdateAliasOutput},
    ask, refusal,
};

impl Operation<UpdateAlias> for Lambda {
    fn access(&self, input: &UpdateAliasInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:UpdateAlias", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<UpdateAlias>) -> Result<UpdateAliasOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let revision_id = uuid(&*self.env.entropy, "lambda.alias-revision");
        let (input, _) = call.into_parts();
        let function = at.clone();
        let shown = self
            .env
            .store
            .write(move |tx| {
                let place = at.qualified_by(&input.name);
                let mut alias =
                    tx.get::<Alias>(&place.qualified_key())?.ok_or_else(|| refusal::no_alias(&place))?;
                if input.revision_id.as_ref().is_some_and(|expected| *expected != alias.revision_id) {
                    return Err(refusal::stale_revision());
                }
                if let Some(version) = &input.function_version {
                    alias.version = existing(tx, &at, version)?;
                }
                if let Some(description) = &input.description {
                    alias.description.clone_from(description);
                }
                if input.routing_config.is_some() {
                    alias.additional = additional(tx, &at, alias.version, input.routing_config.as_ref())?;
                } else if let Some(kept) = alias.additional {
                    // The second version must still be another one than the first.
                    let weights = std::iter::once((kept.version.to_string(), kept.weight)).collect();
                    let routing =
                        crate::api::AliasRoutingConfiguration { additional_version_weights: Some(weights) };
                    alias.additional = additional(tx, &at, alias.version, Some(&routing))?;
                }
                alias.revision_id.clone_from(&revision_id);
                tx.put(&place.qualified_key(), &alias)?;
                Ok::<_, Error>(alias.shown(&at))
            })
            .await?;
        // What is provisioned for the alias moves with it.
        self.provision(&function)?;
        Ok(shown)
    }
}
