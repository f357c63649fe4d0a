//! `ListSSHPublicKeys`: the public keys of a user, without the keys.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{Error, ListSSHPublicKeys, ListSSHPublicKeysInput, ListSSHPublicKeysOutput},
    deposits::{Deposit, SshKeyRow},
    entity::Entity,
    page::Paging,
    rows::UserRow,
    show,
};

impl Operation<ListSSHPublicKeys> for Iam {
    fn access(&self, input: &ListSSHPublicKeysInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:ListSSHPublicKeys", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<ListSSHPublicKeys>) -> Result<ListSSHPublicKeysOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let paging = Paging::new(call.input.marker.as_deref(), call.input.max_items)?;
        let page = self.read(|tx| match &owner {
            // DIVERGES: an account's root has access keys only.
            Owner::Root => SshKeyRow::page(Vec::new(), &paging, |row| show::ssh_key_metadata(row, "")),
            Owner::User(name) => {
                let user = UserRow::fetch(tx, call.scope(), name)?;
                let all = SshKeyRow::all(tx, call.scope(), &user)?;
                SshKeyRow::page(all, &paging, |row| show::ssh_key_metadata(row, &user.name))
            }
        })?;
        Ok(ListSSHPublicKeysOutput {
            is_truncated: Some(page.is_truncated()),
            ssh_public_keys: Some(page.items),
            marker: page.marker,
        })
    }
}
