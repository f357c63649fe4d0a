//! `EnableKeyRotation`: gives a key new material at regular times.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{EnableKeyRotation, EnableKeyRotationInput, EnableKeyRotationOutput, Error},
    asks::Reach,
    rows::Rotation,
    using::next,
};

impl Operation<EnableKeyRotation> for Kms {
    fn access(&self, input: &EnableKeyRotationInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:EnableKeyRotation", caller, &input.key_id, Reach::Home)?;
        Ok(Access::Iam(vec![ask.with("kms:RotationPeriodInDays", period(input).to_string())]))
    }

    async fn run(&self, call: Call<EnableKeyRotation>) -> Result<EnableKeyRotationOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:EnableKeyRotation", &call.input.key_id)?, call.now());
        let period_days = period(&call.input);
        self.env
            .store
            .write(move |tx| {
                let mut row = place.enabled(tx, now)?;
                // AWS: the time counts from when rotation was turned on; turning it on again with another period begins anew.
                if row.rotation.is_none_or(|rotation| rotation.period_days != period_days) {
                    row.rotation = Some(Rotation { period_days, next_at: next(period_days, now) });
                }
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(EnableKeyRotationOutput {})
    }
}

/// Days between two materials.
// AWS: 365 if nothing is said (API reference).
fn period(input: &EnableKeyRotationInput) -> i32 {
    input.rotation_period_in_days.unwrap_or(365)
}
