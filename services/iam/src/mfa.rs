//! Virtual MFA devices. A device is unassigned, then enabled for one user (by unique id: a namesake inherits none):
//!
//! ```text
//! created ──enable (two codes)──▶ enabled ──deactivate──▶ created ──delete──▶ gone
//! ```
//!
//! Invariants: a code is good once; a seed leaves the server once, in the answer to its creation.

use std::collections::BTreeSet;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use casemate_kernel::{Caller, MfaAnswer};
use casemate_names::{Scope, Secret, Timestamp};
use casemate_store::{ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Error, User, VirtualMFADevice},
    by_arn::{ByArn, Tagged},
    rows::UserRow,
    totp,
};

/// Bytes of a seed.
// AWS: seeds are shown as 64 characters of Base32.
pub(crate) const SEED_BYTES: usize = 40;
/// Devices of one user.
// AWS: IAM quotas, "MFA devices in use by an IAM user".
const PER_USER_MAX: usize = 8;
/// Steps by which a device's clock may differ when one code is presented (RFC 6238 §5.2).
const DRIFT_STEPS: i64 = 1;
/// Steps by which it may differ when two consecutive codes are presented.
const RESYNC_STEPS: i64 = 20;
/// Wrong codes in a row after which a device rests, and for how long: guessing one of three codes in a million then takes
/// the better part of a year.
// DIVERGES: AWS throttles without saying how.
const FAILURES_MAX: u32 = 5;
const REST_S: i64 = 300;

/// A virtual MFA device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MfaRow {
    /// Path without its first slash, and name.
    pub(crate) name: String,
    pub(crate) seed: Secret<Vec<u8>>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) holder: Option<MfaHolder>,
}

/// Whose an enabled device is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MfaHolder {
    pub(crate) user: String,
    /// `AIDA…`
    pub(crate) unique_id: String,
    pub(crate) enabled_at: Timestamp,
    /// The step of the latest code that was used: it and those before are used up.
    last_step: i64,
    /// By how many steps the device's clock differs.
    drift: i64,
    failures: u32,
    rests_until: Option<Timestamp>,
}

impl ByArn for MfaRow {
    const NOUN: &'static str = "mfa";
    // AWS: IAM quotas, "Virtual MFA devices (assigned or unassigned) in an AWS account": as many as users.
    const PER_ACCOUNT_MAX: usize = 5000;
    const QUOTA: &'static str = "VirtualMFADevicesPerAccount";

    fn tail(&self) -> &str {
        &self.name
    }

    fn missing(arn: &str) -> String {
        // AWS: text of NoSuchEntity.
        format!("VirtualMFADevice with serial number {arn} doesn't exist.")
    }

    fn exists(&self) -> String {
        // AWS: text of EntityAlreadyExists.
        "MFADevice entity at the same path and name already exists.".to_owned()
    }
}

fn same(code: &str, expected: &str) -> bool {
    verify_slices_are_equal(code.as_bytes(), expected.as_bytes()).is_ok()
}

impl MfaRow {
    /// Is it enabled for this user?
    pub(crate) fn is_of(&self, user: &UserRow) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.unique_id == user.unique_id)
    }

    /// Judges one code and notes the attempt.
    fn attempt(&mut self, code: &str, now: Timestamp) -> bool {
        let Some(holder) = &mut self.holder else { return false };
        if holder.rests_until.is_some_and(|until| now < until) {
            return false;
        }
        let middle = totp::step_at(now).saturating_add(holder.drift);
        let steps = middle.saturating_sub(DRIFT_STEPS)..=middle.saturating_add(DRIFT_STEPS);
        let mut fresh = steps.filter(|step| *step > holder.last_step);
        if let Some(step) = fresh.find(|step| same(code, &totp::code(self.seed.expose(), *step))) {
            holder.last_step = step;
            holder.failures = 0;
            holder.rests_until = None;
            return true;
        }
        holder.failures = holder.failures.saturating_add(1);
        if holder.failures >= FAILURES_MAX {
            holder.failures = 0;
            holder.rests_until = Some(now.plus_seconds(REST_S));
        }
        false
    }

    /// The step of the second of two consecutive codes, both of them unused.
    fn consecutive(&self, codes: [&str; 2], now: Timestamp) -> Result<i64, Error> {
        let [first, second] = codes;
        let middle = totp::step_at(now);
        let used = self.holder.as_ref().map_or(i64::MIN, |holder| holder.last_step);
        (middle.saturating_sub(RESYNC_STEPS)..=middle.saturating_add(RESYNC_STEPS))
            .filter(|step| *step > used)
            .find(|step| {
                same(first, &totp::code(self.seed.expose(), *step))
                    && same(second, &totp::code(self.seed.expose(), step.saturating_add(1)))
            })
            .map(|step| step.saturating_add(1))
            .ok_or_else(|| {
                // AWS: text of InvalidAuthenticationCode.
                Error::invalid_authentication_code_exception("Authentication code for device is not valid.")
            })
    }

    /// Enables it for a user who shows two consecutive codes.
    pub(crate) fn enable(&mut self, user: &UserRow, codes: [&str; 2], now: Timestamp) -> Result<(), Error> {
        if self.holder.is_some() {
            return Err(Error::entity_already_exists_exception("MFA Device is already in use."));
        }
        let last_step = self.consecutive(codes, now)?;
        self.holder = Some(MfaHolder {
            user: user.name.clone(),
            unique_id: user.unique_id.clone(),
            enabled_at: crate::to_the_second(now),
            last_step,
            drift: drift(last_step, now),
            failures: 0,
            rests_until: None,
        });
        Ok(())
    }

    /// Notes how far the device's clock is off, as two consecutive codes show it.
    pub(crate) fn resync(&mut self, codes: [&str; 2], now: Timestamp) -> Result<(), Error> {
        let last_step = self.consecutive(codes, now)?;
        if let Some(holder) = &mut self.holder {
            holder.last_step = last_step;
            holder.drift = drift(last_step, now);
        }
        Ok(())
    }

    /// The device as answers show it. Its seed is not among that.
    pub(crate) fn shown(&self, scope: &Scope) -> VirtualMFADevice {
        let user = self.holder.as_ref().map(|holder| User {
            user_name: holder.user.clone(),
            user_id: holder.unique_id.clone(),
            ..User::default()
        });
        VirtualMFADevice {
            serial_number: self.arn(scope).as_str().to_owned(),
            base32_string_seed: None,
            qr_code_png: None,
            user,
            enable_date: self.holder.as_ref().map(|holder| holder.enabled_at),
            tags: self.shown_tags(),
        }
    }
}

/// Two consecutive codes are typed one after the other: the second is expected to be of the present step.
fn drift(last_step: i64, now: Timestamp) -> i64 {
    let off = last_step.saturating_sub(totp::step_at(now));
    // Within the tolerance of a single code nothing is learnt: the codes may have been shown early or late.
    if off.abs() <= DRIFT_STEPS { 0 } else { off }
}

/// The devices of a user.
pub(crate) fn of_user(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<Vec<MfaRow>, Error> {
    Ok(MfaRow::all(tx, scope)?.into_iter().filter(|row| row.is_of(user)).collect())
}

/// The unique ids of all users who have a device.
pub(crate) fn holders(tx: &ReadTx<'_>, scope: &Scope) -> Result<BTreeSet<String>, Error> {
    let held = MfaRow::all(tx, scope)?.into_iter().filter_map(|row| row.holder);
    Ok(held.map(|holder| holder.unique_id).collect())
}

/// Refuses a further device beyond the quota.
pub(crate) fn check_quota(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<(), Error> {
    if of_user(tx, scope, user)?.len() < PER_USER_MAX {
        return Ok(());
    }
    let text = format!("Cannot exceed quota for MFADevicesPerUser: {PER_USER_MAX}");
    Err(Error::limit_exceeded_exception(text))
}

/// Refuses the deletion of a user who has devices.
pub(crate) fn check_none(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<(), Error> {
    if of_user(tx, scope, user)?.is_empty() {
        return Ok(());
    }
    // AWS: text of DeleteConflict.
    Err(Error::delete_conflict_exception("Cannot delete entity, must delete MFA device first."))
}

/// The device of a serial number, if it is this user's.
pub(crate) fn fetch_of_user(
    tx: &ReadTx<'_>,
    scope: &Scope,
    user: &UserRow,
    serial: &str,
) -> Result<MfaRow, Error> {
    let found = MfaRow::find(tx, scope, serial)?.filter(|row| row.is_of(user));
    found.ok_or_else(no_such_device)
}

/// The refusal of a device that is not its user's.
pub(crate) fn no_such_device() -> Error {
    // AWS: text of NoSuchEntity.
    Error::no_such_entity_exception("MFA Device invalid for user.")
}

/// Judges a code for the kernel, and uses it up.
pub(crate) fn judge(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    caller: &Caller,
    presented: (&str, &str),
    now: Timestamp,
) -> Result<MfaAnswer, Error> {
    let (serial, code) = presented;
    let Caller::User { unique_id, .. } = caller else { return Ok(MfaAnswer::NoSuchDevice) };
    let found = MfaRow::find(tx, scope, serial)?;
    let own = found.filter(|row| row.holder.as_ref().is_some_and(|holder| holder.unique_id == *unique_id));
    let Some(mut row) = own else { return Ok(MfaAnswer::NoSuchDevice) };
    let right = row.attempt(code, now);
    row.save(tx, scope)?;
    Ok(if right { MfaAnswer::Right } else { MfaAnswer::Wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn at(step: i64) -> Timestamp {
        Timestamp::from_seconds(step * 30)
    }

    fn device(last_step: i64) -> MfaRow {
        MfaRow {
            name: "phone".to_owned(),
            seed: Secret::new(SEED.to_vec()),
            tags: Vec::new(),
            holder: Some(MfaHolder {
                user: "ann".to_owned(),
                unique_id: "AIDAX".to_owned(),
                enabled_at: at(0),
                last_step,
                drift: 0,
                failures: 0,
                rests_until: None,
            }),
        }
    }

    #[test]
    fn a_code_is_good_once_and_so_is_none_before_it() {
        let mut device = device(0);
        assert!(device.attempt(&totp::code(SEED, 101), at(100)));
        assert!(!device.attempt(&totp::code(SEED, 101), at(100)), "replayed");
        assert!(!device.attempt(&totp::code(SEED, 100), at(100)), "older than one that was used");
        assert!(device.attempt(&totp::code(SEED, 102), at(102)));
    }

    #[test]
    fn codes_of_other_times_and_forms_are_wrong() {
        let mut device = device(0);
        for code in [totp::code(SEED, 98), totp::code(SEED, 102), String::new(), "12345".to_owned()] {
            assert!(!device.attempt(&code, at(100)), "{code}");
        }
    }

    #[test]
    fn guessing_makes_the_device_rest_even_for_the_right_code() {
        let mut device = device(0);
        for _ in 0..FAILURES_MAX {
            assert!(!device.attempt("000000", at(100)));
        }
        assert!(!device.attempt(&totp::code(SEED, 100), at(100)));
        assert!(!device.attempt(&totp::code(SEED, 109), at(109)));
        assert!(device.attempt(&totp::code(SEED, 110), at(110)));
    }

    #[test]
    fn two_consecutive_codes_tell_how_far_a_clock_is_off() {
        let mut device = device(0);
        let codes = |step| [totp::code(SEED, step), totp::code(SEED, step + 1)];
        let given = |codes: &[String; 2]| -> [&'static str; 2] {
            codes.clone().map(|code| -> &'static str { code.leak() })
        };
        assert!(device.resync(given(&codes(130)), at(100)).is_err(), "too far");
        let mut swapped = codes(110);
        swapped.swap(0, 1);
        assert!(device.resync(given(&swapped), at(100)).is_err(), "not in order");
        device.resync(given(&codes(110)), at(100)).unwrap();
        assert!(device.resync(given(&codes(110)), at(100)).is_err(), "used");
        assert!(device.attempt(&totp::code(SEED, 113), at(101)));
    }

    #[test]
    fn a_seed_is_not_shown() {
        assert!(!format!("{:?}", device(0)).contains("49, 50, 51"));
    }
}
