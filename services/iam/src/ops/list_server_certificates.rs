//! `ListServerCertificates`: the server certificates under a path.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{Error, ListServerCertificates, ListServerCertificatesInput, ListServerCertificatesOutput},
    page::{Paging, page_of_rows},
    server_certificates::ServerCertificateRow,
};

impl Operation<ListServerCertificates> for Iam {
    fn access(&self, _input: &ListServerCertificatesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:ListServerCertificates"))
    }

    async fn run(&self, call: Call<ListServerCertificates>) -> Result<ListServerCertificatesOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let path = input.path_prefix.as_deref().unwrap_or("/");
        let below = |row: &ServerCertificateRow| row.path.starts_with(path);
        let page = self.read(|tx| page_of_rows(tx, &Key::of_account(scope), &paging, below))?;
        Ok(ListServerCertificatesOutput {
            is_truncated: Some(page.is_truncated()),
            server_certificate_metadata_list: page.items.iter().map(|row| row.metadata(scope)).collect(),
            marker: page.marker,
        })
    }
}
