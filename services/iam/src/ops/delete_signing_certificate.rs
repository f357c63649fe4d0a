//! `DeleteSigningCertificate`: removes a certificate.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{DeleteSigningCertificate, DeleteSigningCertificateInput, DeleteSigningCertificateOutput, Error},
    deposits::{Deposit, SigningCertificateRow},
    entity::Entity,
    rows::UserRow,
};

impl Operation<DeleteSigningCertificate> for Iam {
    fn access(&self, input: &DeleteSigningCertificateInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:DeleteSigningCertificate", input.user_name.as_deref(), caller)
    }

    async fn run(
        &self,
        call: Call<DeleteSigningCertificate>,
    ) -> Result<DeleteSigningCertificateOutput, Error> {
        let user = match Owner::of_call(call.input.user_name.as_deref(), &call)? {
            Owner::User(name) => name,
            // DIVERGES: an account's root has access keys only.
            Owner::Root => {
                let text = SigningCertificateRow::missing(&call.input.certificate_id);
                return Err(Error::no_such_entity_exception(text));
            }
        };
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &user)?;
            SigningCertificateRow::remove(tx, &scope, &user, &input.certificate_id)
        })
        .await?;
        Ok(DeleteSigningCertificateOutput {})
    }
}
