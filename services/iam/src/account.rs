//! What an account says of itself: its alias.

use casemate_names::{AccountId, Scope};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::api::Error;

/// The account of an alias: aliases are unique among all accounts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AliasRow {
    account: AccountId,
}

/// The alias of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OwnAliasRow {
    alias: String,
}

impl Row for AliasRow {
    const TABLE: &'static str = "iam.aliases";
    const VERSION: u16 = 1;
}

impl Row for OwnAliasRow {
    const TABLE: &'static str = "iam.aliases-of-accounts";
    const VERSION: u16 = 1;
}

/// The account's alias.
pub(crate) fn alias(tx: &ReadTx<'_>, scope: &Scope) -> Result<Option<String>, Error> {
    Ok(tx.get::<OwnAliasRow>(&Key::of_account(scope))?.map(|row| row.alias))
}

/// Sets the alias; an earlier one is free again.
// AWS: IAM User Guide, "Account aliases": an account has one; a new one overwrites it.
pub(crate) fn set_alias(tx: &mut WriteTx<'_>, scope: &Scope, wanted: &str) -> Result<(), Error> {
    let taken = tx.get::<AliasRow>(&alias_key(wanted))?.is_some_and(|row| row.account != scope.account);
    if taken {
        // AWS: text of EntityAlreadyExists.
        let text = format!("The account alias {wanted} already exists.");
        return Err(Error::entity_already_exists_exception(text));
    }
    if let Some(before) = alias(tx, scope)? {
        tx.delete::<AliasRow>(&alias_key(&before))?;
    }
    tx.put(&alias_key(wanted), &AliasRow { account: scope.account.clone() })?;
    tx.put(&Key::of_account(scope), &OwnAliasRow { alias: wanted.to_owned() })?;
    Ok(())
}

/// Removes the alias.
pub(crate) fn delete_alias(tx: &mut WriteTx<'_>, scope: &Scope, named: &str) -> Result<(), Error> {
    if alias(tx, scope)?.as_deref() != Some(named) {
        let text = format!("The account alias {named} cannot be found.");
        return Err(Error::no_such_entity_exception(text));
    }
    tx.delete::<AliasRow>(&alias_key(named))?;
    tx.delete::<OwnAliasRow>(&Key::of_account(scope))?;
    Ok(())
}

fn alias_key(alias: &str) -> Key {
    Key::global().text(alias)
}
