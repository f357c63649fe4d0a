//! `GetUserPolicy`: shows an inline policy of a user.

use crate::{
    Iam,
    api::{Error, GetUserPolicy, GetUserPolicyInput, GetUserPolicyOutput},
    holder,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<GetUserPolicy> for Iam {
    fn access(&self, input: &GetUserPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:GetUserPolicy", &input.user_name, caller)
    }

    async fn run(&self, call: Call<GetUserPolicy>) -> Result<GetUserPolicyOutput, Error> {
        let input = &call.input;
        let found = self
            .read(|tx| holder::inline::<UserRow>(tx, call.scope(), &input.user_name, &input.policy_name))?;
        let (user_name, policy_document) = found;
        Ok(GetUserPolicyOutput { user_name, policy_name: input.policy_name.clone(), policy_document })
    }
}
