//! `UpdateServerCertificate`: renames or moves a certificate. It stays the same one: its unique id and tags go with it.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateServerCertificate, UpdateServerCertificateInput, UpdateServerCertificateOutput},
    resource::entity_arn,
    server_certificates::{NOUN, ServerCertificateRow},
};

const ACTION: &str = "iam:UpdateServerCertificate";

impl Operation<UpdateServerCertificate> for Iam {
    // AWS: IAM API reference, UpdateServerCertificate: the right is needed on the old name and on the new one.
    fn access(&self, input: &UpdateServerCertificateInput, caller: &Caller) -> Result<Access, Error> {
        let (scope, old_name) = (self.scope(caller), &input.server_certificate_name);
        let found = self.read(|tx| ServerCertificateRow::find(tx, &scope, old_name))?;
        let (path, kept) =
            found.map_or_else(|| ("/".to_owned(), old_name.clone()), |row| (row.path, row.name));
        let path = input.new_path.as_deref().unwrap_or(&path);
        // Names are found in any case; what is not renamed keeps the stored spelling.
        let name = input.new_server_certificate_name.as_deref().unwrap_or(&kept);
        let target = entity_arn(&scope, NOUN, path, name);
        Ok(self.ask_on_server_certificate(ACTION, old_name, caller)?.and(Ask::on(ACTION, target)))
    }

    async fn run(&self, call: Call<UpdateServerCertificate>) -> Result<UpdateServerCertificateOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let (name, path) = (input.new_server_certificate_name.as_deref(), input.new_path.as_deref());
            ServerCertificateRow::rename(tx, &scope, &input.server_certificate_name, name, path)
        })
        .await?;
        Ok(UpdateServerCertificateOutput {})
    }
}
