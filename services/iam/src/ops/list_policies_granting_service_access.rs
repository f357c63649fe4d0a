//! `ListPoliciesGrantingServiceAccess`: which policies of a user, group or role allow anything of a service.

use casemate_kernel::{Access, Call, Caller, Operation, policy::grants_service};

use crate::{
    Iam,
    api::{
        Error, ListPoliciesGrantingServiceAccess, ListPoliciesGrantingServiceAccessEntry,
        ListPoliciesGrantingServiceAccessInput, ListPoliciesGrantingServiceAccessOutput,
        PolicyGrantingServiceAccess, PolicyOwnerEntityType, PolicyType,
    },
    entity::Entity,
    page::{Paging, page_of_numbers},
    rows::{GroupRow, UserRow},
    sources::{self, Source},
};

impl Operation<ListPoliciesGrantingServiceAccess> for Iam {
    fn access(
        &self,
        input: &ListPoliciesGrantingServiceAccessInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(self.ask_on_source("iam:ListPoliciesGrantingServiceAccess", &input.arn, caller))
    }

    async fn run(
        &self,
        call: Call<ListPoliciesGrantingServiceAccess>,
    ) -> Result<ListPoliciesGrantingServiceAccessOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), None)?;
        let bound = self.read(|tx| sources::of_arn(tx, &self.env, scope, &input.arn))?;
        let page = page_of_numbers(input.service_namespaces.len(), &paging)?;
        let services = page.items.iter().filter_map(|at| input.service_namespaces.get(*at));
        let entries = services.map(|service| ListPoliciesGrantingServiceAccessEntry {
            service_namespace: Some(service.clone()),
            policies: Some(
                bound
                    .sources
                    .iter()
                    .filter(|source| grants_service(&source.text, service))
                    .map(shown)
                    .collect(),
            ),
        });
        Ok(ListPoliciesGrantingServiceAccessOutput {
            policies_granting_service_access: entries.collect(),
            is_truncated: Some(page.is_truncated()),
            marker: page.marker.clone(),
        })
    }
}

// AWS: IAM API reference, PolicyGrantingServiceAccess: inline policies tell whose they are, managed ones their ARN.
fn shown(source: &Source) -> PolicyGrantingServiceAccess {
    let owner = source.owner.as_ref().filter(|_| source.arn.is_none());
    PolicyGrantingServiceAccess {
        policy_name: source.name.clone(),
        policy_type: if source.arn.is_some() { PolicyType::Managed } else { PolicyType::Inline },
        policy_arn: source.arn.clone(),
        entity_type: owner.map(|(noun, _)| match *noun {
            UserRow::NOUN => PolicyOwnerEntityType::User,
            GroupRow::NOUN => PolicyOwnerEntityType::Group,
            _ => PolicyOwnerEntityType::Role,
        }),
        entity_name: owner.map(|(_, name)| name.clone()),
    }
}
