//! Another name or path for a user or group. It stays the same one: its unique id and policies go with it, and so do the
//! notes of which managed policies it uses.

use casemate_names::Scope;
use casemate_store::WriteTx;

use crate::{
    api::Error,
    entity::Entity,
    holder,
    rows::{Usage, UseRow, name_key, use_key},
};

/// Renames or moves an entity; `None` keeps what is. `taken` is what is said of a name that is in use. Answers it as it
/// was and as it is.
pub(crate) fn rename<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    old_name: &str,
    name: Option<&str>,
    path: Option<&str>,
    taken: impl Fn(&str) -> String,
) -> Result<(E, E), Error> {
    let before = E::fetch_to_change(tx, scope, old_name)?;
    let name = name.unwrap_or_else(|| before.name()).to_owned();
    if !name.eq_ignore_ascii_case(before.name()) && E::find(tx, scope, &name)?.is_some() {
        return Err(Error::entity_already_exists_exception(taken(&name)));
    }
    let mut after = before.clone();
    after.rename(name, path.unwrap_or_else(|| before.path()).to_owned());
    holder::release_boundary(tx, scope, &before)?;
    for arn in &before.holder().attached {
        tx.delete::<UseRow>(&use_key(scope, arn, Usage::Permissions, Some((E::NOUN, before.name()))))?;
    }
    tx.delete::<E>(&name_key(scope, before.name()))?;
    for arn in &after.holder().attached {
        tx.put(&use_key(scope, arn, Usage::Permissions, Some((E::NOUN, after.name()))), &after.as_use())?;
    }
    holder::note_boundary(tx, scope, &after)?;
    after.save(tx, scope)?;
    Ok((before, after))
}
