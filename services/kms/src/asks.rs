//! What operations ask of the policies: on which key, and what is known of it. The key that was asked about is the key that
//! is used: an alias that was pointed elsewhere in between ends the call.

use casemate_kernel::{Ask, Caller, Denial, Fault, Permit, policy::Decision};
use casemate_names::Scope;

use crate::{
    Kms,
    api::Error,
    resource::{Named, alias_arn, named, no_alias},
    rows::{Alias, Place, alias_key},
};

/// How far an operation reaches.
// AWS: API reference, "Cross-account use" and the form of `KeyId` of each operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Keys of other accounts too, also by alias.
    AnyName,
    /// Keys of other accounts too, by id or ARN.
    AnyKey,
    /// The caller's own account's keys, by id or ARN.
    Home,
}

impl Kms {
    /// Asks for `action` on the key that `text` names.
    pub(crate) fn ask(
        &self,
        action: &'static str,
        caller: &Caller,
        text: &str,
        reach: Reach,
    ) -> Result<Ask, Error> {
        let found = named(&self.scope(caller), text)?;
        let scope = match &found {
            Named::Key(place) => place.scope.clone(),
            Named::Alias(_, name) if reach != Reach::AnyName => {
                // AWS: text of the service.
                return Err(Error::not_found_exception(format!("Invalid keyId '{name}'")));
            }
            Named::Alias(scope, _) => scope.clone(),
        };
        let (place, alias) = match found {
            Named::Key(place) => (Some(place), None),
            Named::Alias(_, name) => (self.target(&scope, &name)?, Some(name)),
        };
        let ask = match (&place, &alias) {
            (Some(place), _) => self.on_key(action, caller, place)?,
            // Of an alias that is not there nothing more can be asked.
            (None, Some(name)) => own(Ask::on(action, alias_arn(&scope, name)), caller),
            (None, None) => return Err(Fault::broken("a name that names nothing").into()),
        };
        if reach == Reach::Home {
            at_home(caller, &scope, &ask)?;
        }
        Ok(match alias {
            Some(name) => ask.with("kms:RequestAlias", name),
            None => ask,
        })
    }

    /// Asks for `action` on a key, with all that is known of it.
    pub(crate) fn on_key(&self, action: &'static str, caller: &Caller, place: &Place) -> Result<Ask, Error> {
        let ask = own(Ask::on(action, place.arn()), caller);
        let Some(row) = self.env.store.read(|tx| place.find(tx))? else { return Ok(ask) };
        let ask = key_facts(ask);
        let aliases: Vec<String> = row.aliases.into_iter().collect();
        Ok(if aliases.is_empty() { ask } else { ask.with("kms:ResourceAliases", aliases) })
    }

    /// The key that `text` names, without an alias in between; whether it is there is another question.
    pub(crate) fn key_of(&self, text: &str, caller: &Caller) -> Result<Option<Place>, Error> {
        Ok(match named(&self.scope(caller), text)? {
            Named::Key(place) => Some(place),
            Named::Alias(..) => None,
        })
    }

    /// The key an alias points to.
    pub(crate) fn target(&self, scope: &Scope, alias: &str) -> Result<Option<Place>, Error> {
        let found: Option<Alias> = self.env.store.read(|tx| tx.get(&alias_key(scope, alias)))?;
        Ok(found.map(|alias| Place { scope: scope.clone(), id: alias.key_id }))
    }

    /// The key that `text` names, which must be the one that the call was admitted for.
    pub(crate) fn admitted(&self, permit: &Permit, action: &str, text: &str) -> Result<Place, Error> {
        let place = match named(permit.scope(), text)? {
            Named::Key(place) => place,
            Named::Alias(scope, name) => {
                self.target(&scope, &name)?.ok_or_else(|| no_alias(&scope, &name))?
            }
        };
        if permit.admits(action, place.arn().as_str()) {
            return Ok(place);
        }
        Err(Error::kms_internal_exception("the alias was changed meanwhile; the request can be made again"))
    }
}

/// What every key has in common here.
// AWS: Developer Guide, "AWS KMS condition keys".
pub(crate) fn key_facts(mut ask: Ask) -> Ask {
    for (key, value) in [
        ("kms:KeySpec", "SYMMETRIC_DEFAULT"),
        ("kms:CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"),
        ("kms:KeyUsage", "ENCRYPT_DECRYPT"),
        ("kms:CustomerMasterKeyUsage", "ENCRYPT_DECRYPT"),
        ("kms:KeyOrigin", "AWS_KMS"),
        ("kms:MultiRegion", "false"),
    ] {
        ask = ask.with(key, value);
    }
    ask
}

/// Says that nobody here counts the days since a key was last used.
// DIVERGES: AWS gives `kms:TrailingDaysWithoutKeyUsage` for DisableKey and ScheduleKeyDeletion; here it is unknown.
pub(crate) fn without_usage(ask: Ask) -> Ask {
    ask.with_unknown("kms:TrailingDaysWithoutKeyUsage")
}

/// Adds the caller's account. Of a service that calls for itself AWS does not say what it would be.
pub(crate) fn own(ask: Ask, caller: &Caller) -> Ask {
    const CALLER: &str = "kms:CallerAccount";
    match (caller, caller.account()) {
        (Caller::Service { .. }, _) => ask.with_unknown(CALLER),
        (_, Some(account)) => ask.with(CALLER, account.as_str()),
        (_, None) => ask,
    }
}

/// Refuses callers of other accounts, whatever policies say.
pub(crate) fn at_home(caller: &Caller, scope: &Scope, ask: &Ask) -> Result<(), Error> {
    if caller.account().is_none_or(|account| account == scope.account) {
        return Ok(());
    }
    let resource = ask.resource.as_ref().map_or("*", |arn| arn.as_str()).to_owned();
    let text = Decision::brief_text(&caller.arn_text(), ask.action, &resource);
    Err(Fault::denied(Denial { action: ask.action, resource, decision: None }, text).into())
}
