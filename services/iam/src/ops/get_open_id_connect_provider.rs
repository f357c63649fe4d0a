//! `GetOpenIDConnectProvider`: shows an issuer of tokens.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetOpenIDConnectProvider, GetOpenIDConnectProviderInput, GetOpenIDConnectProviderOutput},
    by_arn::{ByArn, Tagged},
    providers::OidcRow,
};

impl Operation<GetOpenIDConnectProvider> for Iam {
    fn access(&self, input: &GetOpenIDConnectProviderInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<OidcRow>(
            "iam:GetOpenIDConnectProvider",
            &input.open_id_connect_provider_arn,
            caller,
        ))
    }

    async fn run(
        &self,
        call: Call<GetOpenIDConnectProvider>,
    ) -> Result<GetOpenIDConnectProviderOutput, Error> {
        let row =
            self.read(|tx| OidcRow::fetch(tx, call.scope(), &call.input.open_id_connect_provider_arn))?;
        let bare = row.tail().to_owned();
        Ok(GetOpenIDConnectProviderOutput {
            // AWS: without its scheme.
            url: Some(bare),
            tags: row.shown_tags(),
            client_id_list: Some(row.client_ids),
            thumbprint_list: Some(row.thumbprints),
            create_date: Some(row.created_at),
        })
    }
}
