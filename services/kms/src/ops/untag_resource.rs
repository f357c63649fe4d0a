//! `UntagResource`: takes tags off a key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, UntagResource, UntagResourceInput, UntagResourceOutput},
    asks::Reach,
};

impl Operation<UntagResource> for Kms {
    fn access(&self, input: &UntagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:UntagResource", caller, &input.key_id, Reach::Home)?;
        Ok(Access::Iam(vec![ask.with("aws:TagKeys", input.tag_keys.clone())]))
    }

    async fn run(&self, call: Call<UntagResource>) -> Result<UntagResourceOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:UntagResource", &call.input.key_id)?, call.now());
        let gone = call.input.tag_keys.clone();
        self.env
            .store
            .write(move |tx| {
                let mut row = place.kept(tx, now)?;
                row.tags.retain(|key, _| !gone.contains(key));
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(UntagResourceOutput {})
    }
}
