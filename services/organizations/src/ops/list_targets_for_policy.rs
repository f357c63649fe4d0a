//! `ListTargetsForPolicy`: the roots, units and accounts a policy is attached to.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListTargetsForPolicy, ListTargetsForPolicyInput, ListTargetsForPolicyOutput},
    page, policies, show,
};

impl Operation<ListTargetsForPolicy> for Organizations {
    fn access(&self, input: &ListTargetsForPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:ListTargetsForPolicy", &[&input.policy_id], None, caller)
    }

    async fn run(&self, call: Call<ListTargetsForPolicy>) -> Result<ListTargetsForPolicyOutput, Error> {
        let input = &call.input;
        let (targets, next_token) = self.read(call.scope(), |tx, organization| {
            let policy = policies::existing(tx, organization, &input.policy_id)?;
            let mut ids = organization.targets_of(&policy.id, policy.kind);
            ids.sort();
            let all = ids.into_iter().map(|id| Ok((id.clone(), show::target(organization, id)?)));
            let all = all.collect::<Result<Vec<_>, Error>>()?;
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListTargetsForPolicyOutput { targets: Some(targets), next_token })
    }
}
