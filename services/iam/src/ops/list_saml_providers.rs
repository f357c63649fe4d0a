//! `ListSAMLProviders`: every SAML provider that is registered.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListSAMLProviders, ListSAMLProvidersInput, ListSAMLProvidersOutput, SAMLProviderListEntry},
    by_arn::ByArn,
    providers::SamlRow,
};

impl Operation<ListSAMLProviders> for Iam {
    fn access(&self, _input: &ListSAMLProvidersInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:ListSAMLProviders"))
    }

    async fn run(&self, call: Call<ListSAMLProviders>) -> Result<ListSAMLProvidersOutput, Error> {
        let scope = call.scope();
        let rows = self.read(|tx| SamlRow::all(tx, scope))?;
        let entry = |row: &SamlRow| SAMLProviderListEntry {
            arn: Some(row.arn(scope).as_str().to_owned()),
            valid_until: Some(row.valid_until),
            create_date: Some(row.created_at),
        };
        Ok(ListSAMLProvidersOutput { saml_provider_list: Some(rows.iter().map(entry).collect()) })
    }
}
