//! `EnableKey`: lets a disabled key be used again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{EnableKey, EnableKeyInput, EnableKeyOutput, Error},
    asks::Reach,
    rows::State,
};

impl Operation<EnableKey> for Kms {
    fn access(&self, input: &EnableKeyInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:EnableKey", caller, &input.key_id, Reach::Home)?;
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<EnableKey>) -> Result<EnableKeyOutput, Error> {
        let (place, now) = (self.admitted(call.permit(), "kms:EnableKey", &call.input.key_id)?, call.now());
        self.env
            .store
            .write(move |tx| {
                let mut row = place.kept(tx, now)?;
                row.state = State::Enabled;
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(EnableKeyOutput {})
    }
}
