//! `ListPolicies`: every policy of one type.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListPolicies, ListPoliciesInput, ListPoliciesOutput},
    document::PolicyKind,
    page, policies, show,
};

impl Operation<ListPolicies> for Organizations {
    fn access(&self, input: &ListPoliciesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:ListPolicies", &[], PolicyKind::of(input.filter).ok(), caller)
    }

    async fn run(&self, call: Call<ListPolicies>) -> Result<ListPoliciesOutput, Error> {
        let input = &call.input;
        let kind = PolicyKind::of(input.filter)?;
        let (shown, next_token) = self.read(call.scope(), |tx, organization| {
            let mut all = policies::of_kind(tx, organization, kind)?;
            all.sort_by(|a, b| a.id.cmp(&b.id));
            let all = all.iter().map(|policy| (policy.id.clone(), show::summary(organization, policy)));
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListPoliciesOutput { policies: Some(shown), next_token })
    }
}
