//! `CreateAlias`: gives a key a name.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms, alias,
    api::{CreateAlias, CreateAliasInput, CreateAliasOutput, Error},
    asks::Reach,
    resource::alias_arn,
    rows::{Alias, alias_key},
};

impl Operation<CreateAlias> for Kms {
    fn access(&self, input: &CreateAliasInput, caller: &Caller) -> Result<Access, Error> {
        let name = self.alias_ask("kms:CreateAlias", caller, &input.alias_name)?;
        let key = self.ask("kms:CreateAlias", caller, &input.target_key_id, Reach::Home)?;
        Ok(Access::Iam(vec![name, key]))
    }

    async fn run(&self, call: Call<CreateAlias>) -> Result<CreateAliasOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:CreateAlias", &call.input.target_key_id)?, call.now());
        let name = call.input.alias_name.clone();
        alias::check(&name)?;
        self.env
            .store
            .write(move |tx| {
                let mut key = place.kept(tx, now)?;
                alias::refuse_more(&key)?;
                let at = alias_key(&place.scope, &name);
                if tx.exists::<Alias>(&at)? {
                    // AWS: text of the service.
                    return Err(Error::already_exists_exception(format!(
                        "An alias with the name {} already exists",
                        alias_arn(&place.scope, &name)
                    )));
                }
                key.aliases.insert(name.clone());
                tx.put(&place.key(), &key)?;
                Ok(tx.put(&at, &Alias { key_id: place.id.clone(), created_at: now, updated_at: now })?)
            })
            .await?;
        Ok(CreateAliasOutput {})
    }
}
