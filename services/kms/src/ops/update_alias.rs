//! `UpdateAlias`: points an alias to another key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms, alias,
    api::{Error, UpdateAlias, UpdateAliasInput, UpdateAliasOutput},
    asks::Reach,
    resource::no_alias,
    rows::{Alias, Place, alias_key},
};

impl Operation<UpdateAlias> for Kms {
    // AWS: the right is needed on the alias, on the key it points to and on the one it shall point to (API reference).
    fn access(&self, input: &UpdateAliasInput, caller: &Caller) -> Result<Access, Error> {
        let mut asks = vec![
            self.alias_ask("kms:UpdateAlias", caller, &input.alias_name)?,
            self.ask("kms:UpdateAlias", caller, &input.target_key_id, Reach::Home)?,
        ];
        if let Some(now) = self.target(&self.scope(caller), &input.alias_name)? {
            asks.push(self.on_key("kms:UpdateAlias", caller, &now)?);
        }
        Ok(Access::Iam(asks))
    }

    async fn run(&self, call: Call<UpdateAlias>) -> Result<UpdateAliasOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:UpdateAlias", &call.input.target_key_id)?, call.now());
        let name = call.input.alias_name.clone();
        alias::check(&name)?;
        let (_, permit) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let mut key = place.kept(tx, now)?;
                let at = alias_key(&place.scope, &name);
                let found: Alias = tx.get(&at)?.ok_or_else(|| no_alias(&place.scope, &name))?;
                let old = Place { scope: place.scope.clone(), id: found.key_id.clone() };
                if !permit.admits("kms:UpdateAlias", old.arn().as_str()) {
                    return Err(Error::kms_internal_exception(
                        "the alias was changed meanwhile; the request can be made again",
                    ));
                }
                if old != place {
                    alias::refuse_more(&key)?;
                    if let Some(mut before) = old.find(tx)? {
                        before.aliases.remove(&name);
                        tx.put(&old.key(), &before)?;
                    }
                    key.aliases.insert(name.clone());
                    tx.put(&place.key(), &key)?;
                }
                Ok(tx.put(&at, &Alias { key_id: place.id.clone(), updated_at: now, ..found })?)
            })
            .await?;
        Ok(UpdateAliasOutput {})
    }
}
