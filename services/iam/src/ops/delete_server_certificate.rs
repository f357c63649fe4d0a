//! `DeleteServerCertificate`: removes a certificate and its private key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteServerCertificate, DeleteServerCertificateInput, DeleteServerCertificateOutput, Error},
    server_certificates::ServerCertificateRow,
};

impl Operation<DeleteServerCertificate> for Iam {
    fn access(&self, input: &DeleteServerCertificateInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_server_certificate("iam:DeleteServerCertificate", &input.server_certificate_name, caller)
    }

    async fn run(&self, call: Call<DeleteServerCertificate>) -> Result<DeleteServerCertificateOutput, Error> {
        let scope = call.scope().clone();
        let name = call.input.server_certificate_name;
        self.change(move |tx| ServerCertificateRow::fetch(tx, &scope, &name)?.remove(tx, &scope)).await?;
        Ok(DeleteServerCertificateOutput {})
    }
}
