//! `EnablePolicyType`: policies of a type have effect from the next request on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{EnablePolicyType, EnablePolicyTypeInput, EnablePolicyTypeOutput, Error},
    document::PolicyKind,
    show,
};

impl Operation<EnablePolicyType> for Organizations {
    fn access(&self, input: &EnablePolicyTypeInput, caller: &Caller) -> Result<Access, Error> {
        let kind = PolicyKind::of(input.policy_type).ok();
        self.ask("organizations:EnablePolicyType", &[&input.root_id], kind, caller)
    }

    async fn run(&self, call: Call<EnablePolicyType>) -> Result<EnablePolicyTypeOutput, Error> {
        let kind = PolicyKind::of(call.input.policy_type)?;
        let root = call.input.root_id.clone();
        let root = self
            .change(call.scope(), move |_, organization| {
                organization.enable(&root, kind)?;
                Ok(show::root(organization))
            })
            .await?;
        Ok(EnablePolicyTypeOutput { root: Some(root) })
    }
}
