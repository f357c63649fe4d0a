//! What goes with a function, and with one of its versions: everything that is kept under its name. What is left would be
//! found again by a new function of the same name, which must inherit nothing.

use casemate_store::{BlobId, Key, Row, StoreError, WriteTx};

use crate::{
    alias::Alias,
    api::Error,
    event_config::EventConfig,
    function::Function,
    function_url::{self, FunctionUrl},
    mapping::Mapping,
    permission::Permissions,
    provisioned::Provisioned,
    refusal,
    resource::FunctionRef,
    runtime_management::RuntimeManagement,
    signing,
    snapshot::Used,
    version::{Published, Version},
};

/// Packages that lost a reference, and what was removed, whose environments end.
type Gone = (Vec<BlobId>, Vec<Function>);

/// The whole function. Its version numbers stay used.
pub(crate) fn function(tx: &mut WriteTx<'_>, at: &FunctionRef) -> Result<Gone, Error> {
    let latest = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(at))?;
    let versions = tx.scan::<Published>(&at.key(), None, usize::MAX)?;
    let all = std::iter::once(latest).chain(versions.into_iter().map(|(_, Published(version))| version));
    let all: Vec<Function> = all.collect();
    tx.delete::<Function>(&at.key())?;
    below::<Published>(tx, &at.key())?;
    below::<Used>(tx, &at.key())?;
    below::<Alias>(tx, &at.key())?;
    below::<Permissions>(tx, &at.key())?;
    below::<EventConfig>(tx, &at.key())?;
    below::<Provisioned>(tx, &at.key())?;
    urls(tx, &at.key())?;
    Mapping::remove_all(tx, at)?;
    below::<RuntimeManagement>(tx, &at.key())?;
    tx.delete::<signing::Use>(&at.key())?;
    Ok((all.iter().flat_map(Function::packages).collect(), all))
}

/// One published version.
pub(crate) fn version(tx: &mut WriteTx<'_>, at: &FunctionRef, number: u64) -> Result<Gone, Error> {
    let key = at.key().number(number);
    let aliases = tx.scan::<Alias>(&at.key(), None, usize::MAX)?;
    let leading: Vec<&str> = aliases
        .iter()
        .filter(|(_, alias)| alias.leads_to(Version::Published(number)))
        .map(|(_, alias)| alias.name.as_str())
        .collect();
    if !leading.is_empty() {
        // AWS: the code; the text is ours.
        return Err(Error::resource_conflict_exception(format!(
            "the version cannot be deleted while these aliases lead to it: {}",
            leading.join(", ")
        )));
    }
    let Some(Published(version)) = tx.get::<Published>(&key)? else {
        // AWS: deleting a version that is not there succeeds; deleting a function that is not there does not.
        if tx.exists::<Function>(&at.key())? {
            return Ok((Vec::new(), Vec::new()));
        }
        return Err(refusal::no_function(at));
    };
    tx.delete::<Published>(&key)?;
    tx.delete::<Used>(&key)?;
    tx.delete::<Permissions>(&at.qualified_key())?;
    tx.delete::<EventConfig>(&at.qualified_key())?;
    tx.delete::<Provisioned>(&at.qualified_key())?;
    tx.delete::<RuntimeManagement>(&at.qualified_key())?;
    Mapping::remove_all(tx, at)?;
    Ok((version.packages(), vec![version]))
}

/// An alias, if it is there.
pub(crate) fn alias(tx: &mut WriteTx<'_>, at: &FunctionRef) -> Result<(), StoreError> {
    tx.delete::<Alias>(&at.qualified_key())?;
    function_url::remove(tx, &at.qualified_key())?;
    tx.delete::<EventConfig>(&at.qualified_key())?;
    tx.delete::<Provisioned>(&at.qualified_key())?;
    Mapping::remove_all(tx, at)?;
    tx.delete::<Permissions>(&at.qualified_key())
}

fn urls(tx: &mut WriteTx<'_>, prefix: &Key) -> Result<(), StoreError> {
    for (key, _) in tx.scan::<FunctionUrl>(prefix, None, usize::MAX)? {
        function_url::remove(tx, &key)?;
    }
    Ok(())
}

/// Removes every row whose key begins with `prefix`.
fn below<T: Row>(tx: &mut WriteTx<'_>, prefix: &Key) -> Result<(), StoreError> {
    let rows = tx.scan::<T>(prefix, None, usize::MAX)?;
    for (key, _) in rows {
        tx.delete::<T>(&key)?;
    }
    Ok(())
}
