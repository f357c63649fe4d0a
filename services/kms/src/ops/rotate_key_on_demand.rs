//! `RotateKeyOnDemand`: gives a key new material now. What was encrypted before can still be decrypted.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, RotateKeyOnDemand, RotateKeyOnDemandInput, RotateKeyOnDemandOutput},
    asks::Reach,
    using::add_material,
};

/// How often one key can be rotated on demand.
// AWS: 25 (KMS quotas, "On-demand rotation").
const ROTATIONS_MAX: u32 = 25;

impl Operation<RotateKeyOnDemand> for Kms {
    fn access(&self, input: &RotateKeyOnDemandInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:RotateKeyOnDemand", caller, &input.key_id, Reach::Home)?]))
    }

    async fn run(&self, call: Call<RotateKeyOnDemand>) -> Result<RotateKeyOnDemandOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:RotateKeyOnDemand", &call.input.key_id)?, call.now());
        let (arn, material) = (place.arn().as_str().to_owned(), self.fresh_material(now, true));
        self.env
            .store
            .write(move |tx| {
                let mut row = place.enabled(tx, now)?;
                if row.on_demand_rotations >= ROTATIONS_MAX {
                    return Err(Error::limit_exceeded_exception(format!(
                        "a key can be rotated on demand {ROTATIONS_MAX} times"
                    )));
                }
                row.on_demand_rotations += 1;
                add_material(tx, &place, &mut row, &material)
            })
            .await?;
        Ok(RotateKeyOnDemandOutput { key_id: Some(arn) })
    }
}
