//! `GetGroupPolicy`: shows an inline policy of a group.

use crate::{
    Iam,
    api::{Error, GetGroupPolicy, GetGroupPolicyInput, GetGroupPolicyOutput},
    holder,
    rows::GroupRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<GetGroupPolicy> for Iam {
    fn access(&self, input: &GetGroupPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:GetGroupPolicy", &input.group_name, caller)
    }

    async fn run(&self, call: Call<GetGroupPolicy>) -> Result<GetGroupPolicyOutput, Error> {
        let input = &call.input;
        let found = self
            .read(|tx| holder::inline::<GroupRow>(tx, call.scope(), &input.group_name, &input.policy_name))?;
        let (group_name, policy_document) = found;
        Ok(GetGroupPolicyOutput { group_name, policy_name: input.policy_name.clone(), policy_document })
    }
}
