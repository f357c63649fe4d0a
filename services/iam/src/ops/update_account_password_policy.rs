//! `UpdateAccountPasswordPolicy`: what the account asks of new passwords. What is not given falls back to AWS's default, not
//! to what was.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{
        Error, UpdateAccountPasswordPolicy, UpdateAccountPasswordPolicyInput,
        UpdateAccountPasswordPolicyOutput,
    },
    passwords::{MINIMUM_LENGTH, PolicyRow},
};

impl Operation<UpdateAccountPasswordPolicy> for Iam {
    fn access(&self, _input: &UpdateAccountPasswordPolicyInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:UpdateAccountPasswordPolicy"))
    }

    async fn run(
        &self,
        call: Call<UpdateAccountPasswordPolicy>,
    ) -> Result<UpdateAccountPasswordPolicyOutput, Error> {
        let (scope, input) = (call.scope().clone(), call.input);
        // AWS: IAM API reference, UpdateAccountPasswordPolicy: "This operation does not support partial updates."
        let policy = PolicyRow {
            minimum_length: input.minimum_password_length.unwrap_or(MINIMUM_LENGTH),
            symbols: input.require_symbols.unwrap_or(false),
            numbers: input.require_numbers.unwrap_or(false),
            uppercase: input.require_uppercase_characters.unwrap_or(false),
            lowercase: input.require_lowercase_characters.unwrap_or(false),
            users_may_change: input.allow_users_to_change_password.unwrap_or(false),
            age_days_max: input.max_password_age.unwrap_or(0),
            remembered: input.password_reuse_prevention.unwrap_or(0),
            hard_expiry: input.hard_expiry,
        };
        self.change(move |tx| Ok(tx.put(&Key::of_account(&scope), &policy)?)).await?;
        Ok(UpdateAccountPasswordPolicyOutput {})
    }
}
