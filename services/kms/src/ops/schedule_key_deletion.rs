//! `ScheduleKeyDeletion`: lets nobody use a key from now on, and destroys it after a time in which that can be called off.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, KeyState, ScheduleKeyDeletion, ScheduleKeyDeletionInput, ScheduleKeyDeletionOutput},
    asks::{Reach, without_usage},
    rows::State,
    sweep,
    using::DAY_S,
};

/// Days of grace.
// AWS: 7 to 30, 30 if nothing is said (API reference).
const DAYS: std::ops::RangeInclusive<i32> = 7..=30;

impl Operation<ScheduleKeyDeletion> for Kms {
    fn access(&self, input: &ScheduleKeyDeletionInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:ScheduleKeyDeletion", caller, &input.key_id, Reach::Home)?;
        let days = days(input).to_string();
        Ok(Access::Iam(vec![without_usage(ask).with("kms:ScheduleKeyDeletionPendingWindowInDays", days)]))
    }

    async fn run(&self, call: Call<ScheduleKeyDeletion>) -> Result<ScheduleKeyDeletionOutput, Error> {
        let days = days(&call.input);
        if !DAYS.contains(&days) {
            return Err(Error::Validation(format!(
                "PendingWindowInDays must be between {} and {}",
                DAYS.start(),
                DAYS.end()
            )));
        }
        let (place, now) =
            (self.admitted(call.permit(), "kms:ScheduleKeyDeletion", &call.input.key_id)?, call.now());
        let at = now.plus_seconds(i64::from(days) * DAY_S);
        let arn = place.arn();
        self.env
            .store
            .write(move |tx| {
                let mut row = place.kept(tx, now)?;
                row.state = State::PendingDeletion { at };
                sweep::at(tx, at, &place)?;
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(ScheduleKeyDeletionOutput {
            key_id: Some(arn.as_str().to_owned()),
            deletion_date: Some(at),
            key_state: Some(KeyState::PendingDeletion),
            pending_window_in_days: Some(days),
        })
    }
}

fn days(input: &ScheduleKeyDeletionInput) -> i32 {
    input.pending_window_in_days.unwrap_or(*DAYS.end())
}
