//! `CreateOrganization`: the caller's account founds an organisation and manages it.

use std::collections::{BTreeMap, BTreeSet};

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    Organizations,
    api::{
        CreateOrganization, CreateOrganizationInput, CreateOrganizationOutput, Error, OrganizationFeatureSet,
    },
    document::PolicyKind,
    rows::{Member, MemberRow, OrganizationRow, member_key},
    services::Services,
    show,
};

/// What an account list shows for the management account.
// DIVERGES: the account of the installation has no name of its own.
const MANAGEMENT_NAME: &str = "management";

impl Operation<CreateOrganization> for Organizations {
    fn access(&self, _input: &CreateOrganizationInput, _caller: &Caller) -> Result<Access, Error> {
        // DIVERGES: AWS also asks for iam:CreateServiceLinkedRole; no such role is made here.
        Ok(Access::on_any("organizations:CreateOrganization"))
    }

    async fn run(&self, call: Call<CreateOrganization>) -> Result<CreateOrganizationOutput, Error> {
        let account = call.scope().account.clone();
        let all_features = call.input.feature_set != Some(OrganizationFeatureSet::ConsolidatedBilling);
        let root = self.new_id("organizations.root", "r-", 4);
        let founder = Member {
            name: Secret::new(MANAGEMENT_NAME.to_owned()),
            email: None,
            parent: root.clone(),
            joined_at: call.now(),
            created: false,
            closed: false,
        };
        let mut founded = OrganizationRow {
            id: self.new_id("organizations.organization", "o-", 10),
            management: account.clone(),
            root: root.clone(),
            all_features,
            enabled: BTreeSet::new(),
            units: BTreeMap::new(),
            accounts: BTreeMap::from([(account.as_str().to_owned(), founder)]),
            attached: BTreeMap::new(),
            tags: BTreeMap::new(),
            creations: BTreeMap::new(),
            services: Services::default(),
        };
        if all_features {
            // AWS: API reference, CreateOrganization: service control policies are enabled in the root.
            founded.enable(&root, PolicyKind::ServiceControl)?;
        }
        let row = founded.clone();
        self.write(move |tx| {
            let key = member_key(&account);
            if tx.exists::<MemberRow>(&key)? {
                return Err(Error::already_in_organization_exception(
                    "The AWS account is already a member of an organization.",
                ));
            }
            tx.put(&key, &MemberRow { organization: row.id.clone() })?;
            row.save(tx)
        })
        .await?;
        Ok(CreateOrganizationOutput { organization: Some(show::organization(&founded)) })
    }
}
