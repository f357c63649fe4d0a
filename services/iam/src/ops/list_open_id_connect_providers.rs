//! `ListOpenIDConnectProviders`: every issuer of tokens that is registered.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, ListOpenIDConnectProviders, ListOpenIDConnectProvidersInput, ListOpenIDConnectProvidersOutput,
        OpenIDConnectProviderListEntry,
    },
    by_arn::ByArn,
    providers::OidcRow,
};

impl Operation<ListOpenIDConnectProviders> for Iam {
    fn access(&self, _input: &ListOpenIDConnectProvidersInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:ListOpenIDConnectProviders"))
    }

    async fn run(
        &self,
        call: Call<ListOpenIDConnectProviders>,
    ) -> Result<ListOpenIDConnectProvidersOutput, Error> {
        let scope = call.scope();
        let rows = self.read(|tx| OidcRow::all(tx, scope))?;
        let entry =
            |row: &OidcRow| OpenIDConnectProviderListEntry { arn: Some(row.arn(scope).as_str().to_owned()) };
        Ok(ListOpenIDConnectProvidersOutput {
            open_id_connect_provider_list: Some(rows.iter().map(entry).collect()),
        })
    }
}
