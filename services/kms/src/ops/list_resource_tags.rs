//! `ListResourceTags`: a key's tags.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, ListResourceTags, ListResourceTagsInput, ListResourceTagsOutput, Tag},
    asks::Reach,
    page,
};

impl Operation<ListResourceTags> for Kms {
    fn access(&self, input: &ListResourceTagsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:ListResourceTags", caller, &input.key_id, Reach::Home)?]))
    }

    async fn run(&self, call: Call<ListResourceTags>) -> Result<ListResourceTagsOutput, Error> {
        let place = self.admitted(call.permit(), "kms:ListResourceTags", &call.input.key_id)?;
        let row = self.env.store.read(|tx| place.existing(tx, call.now()))?;
        let tags: Vec<(String, String)> = row.tags.into_iter().collect();
        let (page, next) =
            page::cut(tags, |(key, _)| key, call.input.limit, page::PAGE, call.input.marker.as_ref())?;
        let tag = |(tag_key, tag_value)| Tag { tag_key, tag_value };
        Ok(ListResourceTagsOutput {
            tags: Some(page.into_iter().map(tag).collect()),
            truncated: Some(next.is_some()),
            next_marker: next,
        })
    }
}
