//! Published versions: what `$LATEST` was at a time, under a number, for good.
//!
//! Each is a whole [`Function`] with an ARN and a revision of its own, so nothing that is kept by these (environments,
//! credentials, compiled policies) can be shared between versions. What belongs to the function as such, its tags and its
//! reservation, is `$LATEST`'s and looked up there.

use std::fmt;

use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    alias::Alias,
    api::Error,
    function::Function,
    packages,
    resource::{self, FunctionRef, LATEST},
    snapshot::{self, State},
};

/// Which state of a function something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Version {
    /// The one that changes.
    #[default]
    Latest,
    /// A published one. Numbers begin with 1.
    Published(u64),
}

impl Version {
    /// Reads `$LATEST` or a number as AWS writes them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == LATEST {
            return Some(Self::Latest);
        }
        let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| plain).map(Self::Published)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str(LATEST),
            Self::Published(number) => write!(f, "{number}"),
        }
    }
}

/// A published version, by the function's name and its number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Published(pub(crate) Function);

impl Row for Published {
    const TABLE: &'static str = "lambda.version";
    const VERSION: u16 = 1;
}

/// Which numbers a function's name has used up.
// AWS: "Lambda doesn't reuse version numbers, even for a function that has been deleted and recreated" (developer guide,
// "Manage Lambda function versions").
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Numbering {
    /// The last number given.
    last: u64,
    /// The revision of `$LATEST` that was published under it.
    of_revision: String,
}

impl Row for Numbering {
    const TABLE: &'static str = "lambda.version-numbering";
    const VERSION: u16 = 1;
}

/// Publishes `$LATEST` under the next number, unless it is unchanged since it got its last one: then that version is
/// answered, and begun again if it has failed through no fault of the function's. The package gains a reference: the caller holds [`packages::Packages`]' lock.
// AWS: "Lambda doesn't publish a version if the function's configuration and code haven't changed since the last version."
pub(crate) fn publish(
    tx: &mut WriteTx<'_>,
    at: &FunctionRef,
    latest: &Function,
    description: Option<&str>,
    revision_id: &str,
) -> Result<Function, Error> {
    let numbering = tx.get::<Numbering>(&at.key())?.unwrap_or_default();
    if numbering.of_revision == latest.revision_id
        && let Some(Published(mut same)) = tx.get::<Published>(&at.key().number(numbering.last))?
    {
        if same.state.is_platforms_failure() {
            // Tried again under a revision of its own: nothing of the first attempt counts for it.
            same.state = State::Pending;
            revision_id.clone_into(&mut same.revision_id);
            tx.put(&at.key().number(numbering.last), &Published(same.clone()))?;
        }
        return Ok(same);
    }
    let number = numbering.last.saturating_add(1);
    let mut version = latest.clone();
    version.version = Version::Published(number);
    version.arn = resource::qualified(&latest.arn, &number.to_string());
    revision_id.clone_into(&mut version.revision_id);
    version.state = if snapshot::is_of(&version) { State::Pending } else { State::Active };
    if let Some(description) = description {
        description.clone_into(&mut version.settings.description);
    }
    for package in version.packages() {
        packages::refer(tx, package)?;
    }
    tx.put(&at.key().number(number), &Published(version.clone()))?;
    tx.put(&at.key(), &Numbering { last: number, of_revision: latest.revision_id.clone() })?;
    Ok(version)
}

/// One version of a function; `None` where there is no such function or version.
pub(crate) fn find(tx: &ReadTx<'_>, key: &Key, version: Version) -> Result<Option<Function>, StoreError> {
    let Some(latest) = tx.get::<Function>(key)? else { return Ok(None) };
    let Version::Published(number) = version else { return Ok(Some(latest)) };
    let found = tx.get::<Published>(&key.clone().number(number))?;
    Ok(found.map(|Published(version)| Function {
        tags: latest.tags,
        reserved: latest.reserved,
        loops_allowed: latest.loops_allowed,
        ..version
    }))
}

/// The alias that a qualifier names; `None` where it names none.
pub(crate) fn alias(tx: &ReadTx<'_>, at: &FunctionRef) -> Result<Option<Alias>, StoreError> {
    match at.qualifier.as_deref() {
        Some(qualifier) if Version::parse(qualifier).is_none() => tx.get::<Alias>(&at.key().text(qualifier)),
        _ => Ok(None),
    }
}

/// What a request's name and qualifier lead to: `$LATEST`, a version, or the version an alias points to. `draw` decides
/// between an alias's two versions; without one the alias's own version is meant.
pub(crate) fn resolve(
    tx: &ReadTx<'_>,
    at: &FunctionRef,
    draw: Option<u64>,
) -> Result<Option<Function>, StoreError> {
    let version = match at.qualifier.as_deref() {
        None => Some(Version::Latest),
        Some(qualifier) => match Version::parse(qualifier) {
            Some(version) => Some(version),
            None => tx
                .get::<Alias>(&at.key().text(qualifier))?
                .map(|alias| draw.map_or(alias.version, |draw| alias.choose(draw))),
        },
    };
    version.map_or(Ok(None), |version| find(tx, &at.key(), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written_and_in_no_other_way() {
        for version in [Version::Latest, Version::Published(1), Version::Published(10)] {
            assert_eq!(Version::parse(&version.to_string()), Some(version));
        }
        for text in ["", "0", "01", "-1", "+1", "1x", "$latest", "99999999999999999999999"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
