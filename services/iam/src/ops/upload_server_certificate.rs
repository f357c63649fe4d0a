//! `UploadServerCertificate`: keeps a certificate with its private key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UploadServerCertificate, UploadServerCertificateInput, UploadServerCertificateOutput},
    resource::entity_arn,
    server_certificates::{Checked, NOUN},
    tags, to_the_second,
};

impl Operation<UploadServerCertificate> for Iam {
    fn access(&self, input: &UploadServerCertificateInput, caller: &Caller) -> Result<Access, Error> {
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entity_arn(&self.scope(caller), NOUN, path, &input.server_certificate_name);
        Ok(tags::asked_with(Access::on("iam:UploadServerCertificate", arn), input.tags.as_deref()))
    }

    async fn run(&self, call: Call<UploadServerCertificate>) -> Result<UploadServerCertificateOutput, Error> {
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let input = call.input;
        let tags = tags::taken(input.tags.as_deref())?;
        let checked = Checked::new(input.certificate_body, input.certificate_chain, input.private_key, now)?;
        let id = self.unique_id("ASCA");
        let row = checked.named(input.server_certificate_name, input.path, tags, id, now);
        let output = UploadServerCertificateOutput {
            server_certificate_metadata: Some(row.metadata(&scope)),
            tags: row.shown_tags(),
        };
        self.change(move |tx| row.create(tx, &scope)).await?;
        Ok(output)
    }
}
