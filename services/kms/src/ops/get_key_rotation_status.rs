//! `GetKeyRotationStatus`: whether and when a key gets new material.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, GetKeyRotationStatus, GetKeyRotationStatusInput, GetKeyRotationStatusOutput},
    asks::Reach,
    rows::State,
};

impl Operation<GetKeyRotationStatus> for Kms {
    fn access(&self, input: &GetKeyRotationStatusInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:GetKeyRotationStatus", caller, &input.key_id, Reach::AnyKey)?]))
    }

    async fn run(&self, call: Call<GetKeyRotationStatus>) -> Result<GetKeyRotationStatusOutput, Error> {
        let place = self.admitted(call.permit(), "kms:GetKeyRotationStatus", &call.input.key_id)?;
        let row = self.env.store.read(|tx| place.existing(tx, call.now()))?;
        // AWS: a key that is about to be deleted is not rotated; its status says so (API reference).
        let rotation = row.rotation.filter(|_| !matches!(row.state, State::PendingDeletion { .. }));
        Ok(GetKeyRotationStatusOutput {
            key_rotation_enabled: Some(rotation.is_some()),
            key_id: Some(place.arn().as_str().to_owned()),
            rotation_period_in_days: rotation.map(|rotation| rotation.period_days),
            next_rotation_date: rotation.map(|rotation| rotation.next_at),
            on_demand_rotation_start_date: None,
        })
    }
}
