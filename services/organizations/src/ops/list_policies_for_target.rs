//! `ListPoliciesForTarget`: what is attached to a root, unit or account itself.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListPoliciesForTarget, ListPoliciesForTargetInput, ListPoliciesForTargetOutput},
    document::PolicyKind,
    page, policies, refusal, show,
};

impl Operation<ListPoliciesForTarget> for Organizations {
    fn access(&self, input: &ListPoliciesForTargetInput, caller: &Caller) -> Result<Access, Error> {
        let kind = PolicyKind::of(input.filter).ok();
        self.ask("organizations:ListPoliciesForTarget", &[&input.target_id], kind, caller)
    }

    async fn run(&self, call: Call<ListPoliciesForTarget>) -> Result<ListPoliciesForTargetOutput, Error> {
        let input = &call.input;
        let kind = PolicyKind::of(input.filter)?;
        let (shown, next_token) = self.read(call.scope(), |tx, organization| {
            organization.node(&input.target_id).ok_or_else(refusal::no_target)?;
            let mut all = Vec::new();
            for id in organization.attached_to(&input.target_id, kind) {
                let policy = policies::existing(tx, organization, &id)?;
                all.push((id, show::summary(organization, &policy)));
            }
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListPoliciesForTargetOutput { policies: Some(shown), next_token })
    }
}
