//! `TagResource`: adds or replaces tags of a key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, TagResource, TagResourceInput, TagResourceOutput},
    asks::Reach,
    tags,
};

impl Operation<TagResource> for Kms {
    fn access(&self, input: &TagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:TagResource", caller, &input.key_id, Reach::Home)?;
        Ok(Access::Iam(vec![ask.with_request_tags(tags::pairs(&input.tags))]))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let (place, now) = (self.admitted(call.permit(), "kms:TagResource", &call.input.key_id)?, call.now());
        let given = call.input.tags.clone();
        self.env
            .store
            .write(move |tx| {
                let mut row = place.kept(tx, now)?;
                tags::add(&mut row.tags, &given)?;
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(TagResourceOutput {})
    }
}
