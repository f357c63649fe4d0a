//! `ListSigningCertificates`: the certificates of a user.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{Error, ListSigningCertificates, ListSigningCertificatesInput, ListSigningCertificatesOutput},
    deposits::{Deposit, SigningCertificateRow},
    entity::Entity,
    page::Paging,
    rows::UserRow,
    show,
};

impl Operation<ListSigningCertificates> for Iam {
    fn access(&self, input: &ListSigningCertificatesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:ListSigningCertificates", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<ListSigningCertificates>) -> Result<ListSigningCertificatesOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let paging = Paging::new(call.input.marker.as_deref(), call.input.max_items)?;
        let page = self.read(|tx| match &owner {
            // DIVERGES: an account's root has access keys only.
            Owner::Root => SigningCertificateRow::page(Vec::new(), &paging, |row| show::certificate(row, "")),
            Owner::User(name) => {
                let user = UserRow::fetch(tx, call.scope(), name)?;
                let all = SigningCertificateRow::all(tx, call.scope(), &user)?;
                SigningCertificateRow::page(all, &paging, |row| show::certificate(row, &user.name))
            }
        })?;
        Ok(ListSigningCertificatesOutput {
            is_truncated: Some(page.is_truncated()),
            certificates: page.items,
            marker: page.marker,
        })
    }
}
