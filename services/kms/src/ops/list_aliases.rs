//! `ListAliases`: the account's aliases, or those of one key.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Kms, alias,
    api::{AliasListEntry, Error, ListAliases, ListAliasesInput, ListAliasesOutput},
    asks::own,
    page,
    resource::{Named, alias_arn, named},
};

impl Operation<ListAliases> for Kms {
    fn access(&self, _input: &ListAliasesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![own(Ask::on_any("kms:ListAliases"), caller)]))
    }

    async fn run(&self, call: Call<ListAliases>) -> Result<ListAliasesOutput, Error> {
        let (scope, now) = (call.scope(), call.now());
        let wanted = match call.input.key_id.as_deref().map(|text| named(scope, text)).transpose()? {
            None => None,
            Some(Named::Key(place)) if place.scope == *scope => Some(place),
            // AWS: the right is one to the account's own aliases.
            Some(Named::Key(_) | Named::Alias(..)) => {
                return Err(Error::invalid_arn_exception("KeyId must be a key of this account"));
            }
        };
        let found = self.env.store.read(|tx| {
            if let Some(place) = &wanted {
                place.existing(tx, now)?;
            }
            alias::of_account(tx, scope)
        })?;
        let found: Vec<_> = found
            .into_iter()
            .filter(|(_, row)| wanted.as_ref().is_none_or(|key| key.id == row.key_id))
            .collect();
        let (page, next) =
            page::cut(found, |(name, _)| name, call.input.limit, page::PAGE, call.input.marker.as_ref())?;
        let entry = |(name, row): (String, crate::rows::Alias)| AliasListEntry {
            alias_arn: Some(alias_arn(scope, &name).as_str().to_owned()),
            alias_name: Some(name),
            target_key_id: Some(row.key_id),
            creation_date: Some(row.created_at),
            last_updated_date: Some(row.updated_at),
        };
        Ok(ListAliasesOutput {
            aliases: Some(page.into_iter().map(entry).collect()),
            truncated: Some(next.is_some()),
            next_marker: next,
        })
    }
}
