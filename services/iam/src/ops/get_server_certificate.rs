//! `GetServerCertificate`: shows a certificate and its chain, not its private key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetServerCertificate, GetServerCertificateInput, GetServerCertificateOutput},
    server_certificates::ServerCertificateRow,
};

impl Operation<GetServerCertificate> for Iam {
    fn access(&self, input: &GetServerCertificateInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_server_certificate("iam:GetServerCertificate", &input.server_certificate_name, caller)
    }

    async fn run(&self, call: Call<GetServerCertificate>) -> Result<GetServerCertificateOutput, Error> {
        let (name, scope) = (&call.input.server_certificate_name, call.scope());
        let row = self.read(|tx| ServerCertificateRow::fetch(tx, scope, name))?;
        Ok(GetServerCertificateOutput { server_certificate: row.shown(scope) })
    }
}
