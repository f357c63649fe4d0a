//! `UpdateKeyDescription`: says what a key is for.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, UpdateKeyDescription, UpdateKeyDescriptionInput, UpdateKeyDescriptionOutput},
    asks::Reach,
};

impl Operation<UpdateKeyDescription> for Kms {
    fn access(&self, input: &UpdateKeyDescriptionInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:UpdateKeyDescription", caller, &input.key_id, Reach::Home)?;
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<UpdateKeyDescription>) -> Result<UpdateKeyDescriptionOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:UpdateKeyDescription", &call.input.key_id)?, call.now());
        let description = call.input.description.clone();
        self.env
            .store
            .write(move |tx| {
                let mut row = place.kept(tx, now)?;
                row.description.clone_from(&description);
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(UpdateKeyDescriptionOutput {})
    }
}
