//! `CancelKeyDeletion`: keeps a key that was to be deleted; it is disabled then.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{CancelKeyDeletion, CancelKeyDeletionInput, CancelKeyDeletionOutput, Error},
    asks::Reach,
    rows::State,
};

impl Operation<CancelKeyDeletion> for Kms {
    fn access(&self, input: &CancelKeyDeletionInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:CancelKeyDeletion", caller, &input.key_id, Reach::Home)?]))
    }

    async fn run(&self, call: Call<CancelKeyDeletion>) -> Result<CancelKeyDeletionOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:CancelKeyDeletion", &call.input.key_id)?, call.now());
        let arn = place.arn().as_str().to_owned();
        self.env
            .store
            .write(move |tx| {
                let mut row = place.existing(tx, now)?;
                if !matches!(row.state, State::PendingDeletion { .. }) {
                    // AWS: text of the service.
                    return Err(Error::kms_invalid_state_exception(format!(
                        "{} is not pending deletion.",
                        place.arn()
                    )));
                }
                row.state = State::Disabled;
                Ok(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(CancelKeyDeletionOutput { key_id: Some(arn) })
    }
}
