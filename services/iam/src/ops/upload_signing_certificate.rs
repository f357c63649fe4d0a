//! `UploadSigningCertificate`: keeps a certificate of a user.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::lower_alphanumeric;

use crate::{
    Iam,
    access_keys::Owner,
    api::{Error, UploadSigningCertificate, UploadSigningCertificateInput, UploadSigningCertificateOutput},
    deposits::{Deposit, SigningCertificateRow},
    entity::Entity,
    rows::UserRow,
    show, to_the_second,
};

impl Operation<UploadSigningCertificate> for Iam {
    fn access(&self, input: &UploadSigningCertificateInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:UploadSigningCertificate", input.user_name.as_deref(), caller)
    }

    async fn run(
        &self,
        call: Call<UploadSigningCertificate>,
    ) -> Result<UploadSigningCertificateOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let body = call.input.certificate_body;
        if !casemate_saml::is_certificate(&body) {
            let text = "The certificate must be one X.509 certificate with an RSA key in PEM.";
            return Err(Error::malformed_certificate_exception(text));
        }
        let id =
            lower_alphanumeric(&*self.env.entropy, "iam.signing-certificate.id", 32).to_ascii_uppercase();
        let row = SigningCertificateRow { id, body, active: true, uploaded_at: now };
        let stored = row.clone();
        let name = self
            .change(move |tx| {
                let user = UserRow::fetch(tx, &scope, &owner.shown())?;
                let same = |other: &SigningCertificateRow| {
                    other.body.split_ascii_whitespace().eq(stored.body.split_ascii_whitespace())
                };
                if SigningCertificateRow::all(tx, &scope, &user)?.iter().any(same) {
                    let text = "The certificate is already associated with the user.";
                    return Err(Error::duplicate_certificate_exception(text));
                }
                stored.add(tx, &scope, &user)?;
                Ok(user.name)
            })
            .await?;
        Ok(UploadSigningCertificateOutput { certificate: show::certificate(row, &name) })
    }
}
