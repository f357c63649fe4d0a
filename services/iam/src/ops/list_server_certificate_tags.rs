//! `ListServerCertificateTags`: the tags of a server certificate.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, ListServerCertificateTags, ListServerCertificateTagsInput, ListServerCertificateTagsOutput,
    },
    page::Paging,
    server_certificates::ServerCertificateRow,
    tags,
};

impl Operation<ListServerCertificateTags> for Iam {
    fn access(&self, input: &ListServerCertificateTagsInput, caller: &Caller) -> Result<Access, Error> {
        let name = &input.server_certificate_name;
        self.ask_on_server_certificate("iam:ListServerCertificateTags", name, caller)
    }

    async fn run(
        &self,
        call: Call<ListServerCertificateTags>,
    ) -> Result<ListServerCertificateTagsOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let row = self.read(|tx| ServerCertificateRow::fetch(tx, scope, &input.server_certificate_name))?;
        let page = tags::page(&row.tags, &paging)?;
        Ok(ListServerCertificateTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
