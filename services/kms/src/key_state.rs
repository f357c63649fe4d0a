//! What a key's state lets be done with it.
//!
//! ```text
//! Enabled ◀──▶ Disabled
//!    │            ▲  │
//!    ▼            │  ▼
//!   PendingDeletion ──time──▶ gone
//! ```
//!
//! A key whose time has come is gone, whether or not its rows were swept yet.

use casemate_names::Timestamp;
use casemate_store::ReadTx;

use crate::{
    api::Error,
    resource::no_key,
    rows::{KeyRow, Place, State},
};

impl State {
    /// Has its time come?
    pub(crate) fn is_over(self, now: Timestamp) -> bool {
        matches!(self, Self::PendingDeletion { at } if at <= now)
    }

    /// The state's name.
    pub(crate) fn name(self) -> crate::api::KeyState {
        match self {
            Self::Enabled => crate::api::KeyState::Enabled,
            Self::Disabled => crate::api::KeyState::Disabled,
            Self::PendingDeletion { .. } => crate::api::KeyState::PendingDeletion,
        }
    }
}

impl Place {
    /// The key, in whatever state.
    pub(crate) fn existing(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<KeyRow, Error> {
        let found = self.find(tx)?.filter(|row| !row.state.is_over(now));
        found.ok_or_else(|| no_key(self))
    }

    /// The key, if it is not about to be deleted.
    // AWS: Developer Guide, "Key states of KMS keys"; texts of the service.
    pub(crate) fn kept(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<KeyRow, Error> {
        let row = self.existing(tx, now)?;
        match row.state {
            State::Enabled | State::Disabled => Ok(row),
            State::PendingDeletion { .. } => {
                Err(Error::kms_invalid_state_exception(format!("{} is pending deletion.", self.arn())))
            }
        }
    }

    /// The key, if it can be used.
    pub(crate) fn enabled(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<KeyRow, Error> {
        let row = self.kept(tx, now)?;
        if row.state == State::Disabled {
            return Err(Error::disabled_exception(format!("{} is disabled.", self.arn())));
        }
        Ok(row)
    }
}
