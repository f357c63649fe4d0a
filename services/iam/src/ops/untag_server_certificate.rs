//! `UntagServerCertificate`: removes tags of a server certificate.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UntagServerCertificate, UntagServerCertificateInput, UntagServerCertificateOutput},
    server_certificates::ServerCertificateRow,
    tags,
};

impl Operation<UntagServerCertificate> for Iam {
    fn access(&self, input: &UntagServerCertificateInput, caller: &Caller) -> Result<Access, Error> {
        let name = &input.server_certificate_name;
        let access = self.ask_on_server_certificate("iam:UntagServerCertificate", name, caller)?;
        Ok(access.with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagServerCertificate>) -> Result<UntagServerCertificateOutput, Error> {
        let scope = call.scope().clone();
        let (name, keys) = (call.input.server_certificate_name, call.input.tag_keys);
        self.change(move |tx| {
            ServerCertificateRow::retag(tx, &scope, &name, |tags| {
                tags::remove(tags, &keys);
                Ok(())
            })
        })
        .await?;
        Ok(UntagServerCertificateOutput {})
    }
}
