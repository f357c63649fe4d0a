//! `TagServerCertificate`: adds or replaces tags of a server certificate.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, TagServerCertificate, TagServerCertificateInput, TagServerCertificateOutput},
    server_certificates::ServerCertificateRow,
    tags,
};

impl Operation<TagServerCertificate> for Iam {
    fn access(&self, input: &TagServerCertificateInput, caller: &Caller) -> Result<Access, Error> {
        let name = &input.server_certificate_name;
        let access = self.ask_on_server_certificate("iam:TagServerCertificate", name, caller)?;
        Ok(tags::asked_with(access, Some(&input.tags)))
    }

    async fn run(&self, call: Call<TagServerCertificate>) -> Result<TagServerCertificateOutput, Error> {
        let scope = call.scope().clone();
        let (name, given) = (call.input.server_certificate_name, tags::pairs(&call.input.tags));
        self.change(move |tx| ServerCertificateRow::retag(tx, &scope, &name, |tags| tags::add(tags, &given)))
            .await?;
        Ok(TagServerCertificateOutput {})
    }
}
