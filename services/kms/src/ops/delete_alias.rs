//! `DeleteAlias`: takes a name off a key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{DeleteAlias, DeleteAliasInput, DeleteAliasOutput, Error},
    resource::no_alias,
    rows::{Alias, Place, alias_key},
};

impl Operation<DeleteAlias> for Kms {
    fn access(&self, input: &DeleteAliasInput, caller: &Caller) -> Result<Access, Error> {
        let mut asks = vec![self.alias_ask("kms:DeleteAlias", caller, &input.alias_name)?];
        if let Some(key) = self.target(&self.scope(caller), &input.alias_name)? {
            asks.push(self.on_key("kms:DeleteAlias", caller, &key)?);
        }
        Ok(Access::Iam(asks))
    }

    async fn run(&self, call: Call<DeleteAlias>) -> Result<DeleteAliasOutput, Error> {
        let (input, permit) = call.into_parts();
        let scope = permit.scope().clone();
        self.env
            .store
            .write(move |tx| {
                let at = alias_key(&scope, &input.alias_name);
                let found: Alias = tx.get(&at)?.ok_or_else(|| no_alias(&scope, &input.alias_name))?;
                let key = Place { scope: scope.clone(), id: found.key_id };
                if !permit.admits("kms:DeleteAlias", key.arn().as_str()) {
                    return Err(Error::kms_internal_exception(
                        "the alias was changed meanwhile; the request can be made again",
                    ));
                }
                if let Some(mut row) = key.find(tx)? {
                    row.aliases.remove(&input.alias_name);
                    tx.put(&key.key(), &row)?;
                }
                Ok(tx.delete::<Alias>(&at)?)
            })
            .await?;
        Ok(DeleteAliasOutput {})
    }
}
