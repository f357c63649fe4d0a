//! Aliases: names for keys of the same account.

use casemate_kernel::{Ask, Caller, Fault};
use casemate_names::Scope;
use casemate_store::{Key, ReadTx};

use crate::{
    Kms,
    api::Error,
    asks::own,
    resource::{alias_arn, is_alias, is_reserved},
    rows::{Alias, KeyRow},
};

/// Aliases of one key.
// AWS: 50 (KMS quotas, "Aliases per KMS key").
const ALIASES_MAX: usize = 50;
/// Rows read at a time.
const BATCH: usize = 500;

impl Kms {
    /// Asks for `action` on an alias of the caller's account.
    pub(crate) fn alias_ask(&self, action: &'static str, caller: &Caller, name: &str) -> Result<Ask, Error> {
        if !is_alias(name) {
            return Err(invalid(name));
        }
        Ok(own(Ask::on(action, alias_arn(&self.scope(caller), name)), caller))
    }
}

/// Refuses names that are none, or AWS's own.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    if !is_alias(name) {
        return Err(invalid(name));
    }
    if is_reserved(name) {
        // AWS: code of the service, which its model does not list.
        return Err(Fault::coded("NotAuthorizedException", 400, "").into());
    }
    Ok(())
}

// AWS: text of the service.
fn invalid(name: &str) -> Error {
    if name.starts_with(crate::resource::ALIAS) {
        return Error::invalid_alias_name_exception(format!(
            "{name} contains invalid characters for an alias"
        ));
    }
    Error::Validation("Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html".to_owned())
}

/// Refuses one more alias where a key has as many as it may.
pub(crate) fn refuse_more(key: &KeyRow) -> Result<(), Error> {
    if key.aliases.len() >= ALIASES_MAX {
        return Err(Error::limit_exceeded_exception(format!("a key has at most {ALIASES_MAX} aliases")));
    }
    Ok(())
}

/// An account's aliases, by name.
pub(crate) fn of_account(tx: &ReadTx<'_>, scope: &Scope) -> Result<Vec<(String, Alias)>, Error> {
    let (prefix, mut after, mut found) = (Key::of(scope), None, Vec::new());
    loop {
        let read: Vec<(Key, Alias)> = tx.scan(&prefix, after.as_ref(), BATCH)?;
        after = read.last().map(|(key, _)| key.clone());
        let last = read.len() < BATCH;
        found.extend(read.into_iter().filter_map(|(key, alias)| Some((key.text_at(0)?, alias))));
        if last {
            return Ok(found);
        }
    }
}
