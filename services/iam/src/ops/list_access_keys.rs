//! `ListAccessKeys`: the keys of a user, without secrets.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::{Owner, fetch},
    api::{AccessKeyMetadata, Error, ListAccessKeys, ListAccessKeysInput, ListAccessKeysOutput},
    deposits::status,
    page::{Paging, page_of},
};

impl Operation<ListAccessKeys> for Iam {
    fn access(&self, input: &ListAccessKeysInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:ListAccessKeys", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<ListAccessKeys>) -> Result<ListAccessKeysOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let paging = Paging::new(call.input.marker.as_deref(), call.input.max_items)?;
        let scope = call.scope();
        let page = self.read(|tx| {
            let mut all = Vec::new();
            for id in owner.key_ids(tx, scope)? {
                let row = fetch(tx, scope, &owner, &id)?;
                let shown = AccessKeyMetadata {
                    user_name: Some(row.user.unwrap_or_else(|| owner.shown())),
                    access_key_id: Some(id.clone()),
                    status: Some(status(row.active)),
                    create_date: Some(row.created_at),
                };
                all.push((id, shown));
            }
            page_of(all, &paging)
        })?;
        Ok(ListAccessKeysOutput {
            is_truncated: Some(page.is_truncated()),
            access_key_metadata: page.items,
            marker: page.marker,
        })
    }
}
