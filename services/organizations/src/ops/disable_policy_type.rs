//! `DisablePolicyType`: policies of a type are detached everywhere and have no effect from the next request on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DisablePolicyType, DisablePolicyTypeInput, DisablePolicyTypeOutput, Error},
    document::PolicyKind,
    show,
};

impl Operation<DisablePolicyType> for Organizations {
    fn access(&self, input: &DisablePolicyTypeInput, caller: &Caller) -> Result<Access, Error> {
        let kind = PolicyKind::of(input.policy_type).ok();
        self.ask("organizations:DisablePolicyType", &[&input.root_id], kind, caller)
    }

    async fn run(&self, call: Call<DisablePolicyType>) -> Result<DisablePolicyTypeOutput, Error> {
        let kind = PolicyKind::of(call.input.policy_type)?;
        let root = call.input.root_id.clone();
        let root = self
            .change(call.scope(), move |_, organization| {
                organization.disable(&root, kind)?;
                Ok(show::root(organization))
            })
            .await?;
        Ok(DisablePolicyTypeOutput { root: Some(root) })
    }
}
