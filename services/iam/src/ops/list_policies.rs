//! `ListPolicies`: managed policies by scope, path and use.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Scope;
use casemate_store::{Key, ReadTx};

use crate::{
    Iam,
    api::{
        Error, ListPolicies, ListPoliciesInput, ListPoliciesOutput, Policy, PolicyScopeType, PolicyUsageType,
    },
    page::{Paging, page_of},
    rows::PolicyRow,
    show::{AnyPolicy, Detail},
};

/// Policies read at most; the account's quota is below.
const POLICIES_READ_MAX: usize = 10_000;

impl Operation<ListPolicies> for Iam {
    fn access(&self, _input: &ListPoliciesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:ListPolicies"))
    }

    async fn run(&self, call: Call<ListPolicies>) -> Result<ListPoliciesOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page = self.read(|tx| {
            let mut all = Vec::new();
            for policy in candidates(tx, scope, input.scope)? {
                if !policy.path().starts_with(input.path_prefix.as_deref().unwrap_or("/")) {
                    continue;
                }
                let shown = policy.shown(tx, scope, Detail::Listed)?;
                if is_wanted(input, &shown) {
                    all.push((shown.arn.clone().unwrap_or_default(), shown));
                }
            }
            page_of(all, &paging)
        })?;
        Ok(ListPoliciesOutput {
            is_truncated: Some(page.is_truncated()),
            policies: Some(page.items),
            marker: page.marker,
        })
    }
}

fn candidates(
    tx: &ReadTx<'_>,
    scope: &Scope,
    wanted: Option<PolicyScopeType>,
) -> Result<Vec<AnyPolicy>, Error> {
    let mut all = Vec::new();
    if wanted != Some(PolicyScopeType::Aws) {
        let own = tx.scan::<PolicyRow>(&Key::of_account(scope), None, POLICIES_READ_MAX)?;
        all.extend(own.into_iter().map(|(_, row)| AnyPolicy::Own(Box::new(row))));
    }
    if wanted != Some(PolicyScopeType::Local) {
        all.extend(casemate_managed::all().iter().map(AnyPolicy::Aws));
    }
    Ok(all)
}

fn is_wanted(input: &ListPoliciesInput, policy: &Policy) -> bool {
    let attached = policy.attachment_count.unwrap_or(0) > 0;
    let bounds = policy.permissions_boundary_usage_count.unwrap_or(0) > 0;
    let used_as_asked = match input.policy_usage_filter {
        None => true,
        Some(PolicyUsageType::PermissionsPolicy) => attached || !bounds,
        Some(PolicyUsageType::PermissionsBoundary) => bounds,
    };
    used_as_asked && (input.only_attached != Some(true) || attached || bounds)
}
