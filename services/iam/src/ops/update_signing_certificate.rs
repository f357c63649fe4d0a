//! `UpdateSigningCertificate`: switches a certificate on or off.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{Error, UpdateSigningCertificate, UpdateSigningCertificateInput, UpdateSigningCertificateOutput},
    deposits::{Deposit, SigningCertificateRow, is_active},
    entity::Entity,
    rows::UserRow,
};

impl Operation<UpdateSigningCertificate> for Iam {
    fn access(&self, input: &UpdateSigningCertificateInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:UpdateSigningCertificate", input.user_name.as_deref(), caller)
    }

    async fn run(
        &self,
        call: Call<UpdateSigningCertificate>,
    ) -> Result<UpdateSigningCertificateOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let active = is_active(call.input.status)?;
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &owner.shown())?;
            SigningCertificateRow::switch(tx, &scope, &user, &input.certificate_id, active)
        })
        .await?;
        Ok(UpdateSigningCertificateOutput {})
    }
}
