//! `DisableKey`: lets nobody use a key until it is enabled again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{DisableKey, DisableKeyInput, DisableKeyOutput, Error},
    asks::{Reach, without_usage},
    rows::State,
};

impl Operation<DisableKey> for Kms {
    fn access(&self, input: &DisableKeyInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:DisableKey", caller, &input.key_id, Reach::Home)?;
        Ok(Access::Iam(vec![without_usage(ask)]))
    }

    async fn run(&self, call: Call<DisableKey>) -> Result<DisableKeyOutput, Error> {
        let (place, now) = (self.admitted(call.permit(), "kms:DisableKey", &call.input.key_id)?, call.now());
        self.env
            .store
            .write(move |tx| {
                let mut row = place.kept(tx, now)?;
                row.state = State::Disabled;
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(DisableKeyOutput {})
    }
}
