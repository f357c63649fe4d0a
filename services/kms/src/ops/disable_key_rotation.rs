//! `DisableKeyRotation`: leaves a key the material it has.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{DisableKeyRotation, DisableKeyRotationInput, DisableKeyRotationOutput, Error},
    asks::Reach,
};

impl Operation<DisableKeyRotation> for Kms {
    fn access(&self, input: &DisableKeyRotationInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:DisableKeyRotation", caller, &input.key_id, Reach::Home)?;
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<DisableKeyRotation>) -> Result<DisableKeyRotationOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:DisableKeyRotation", &call.input.key_id)?, call.now());
        self.env
            .store
            .write(move |tx| {
                let mut row = place.enabled(tx, now)?;
                row.rotation = None;
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(DisableKeyRotationOutput {})
    }
}
