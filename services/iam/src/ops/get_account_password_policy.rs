//! `GetAccountPasswordPolicy`: what the account asks of passwords.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, GetAccountPasswordPolicy, GetAccountPasswordPolicyInput, GetAccountPasswordPolicyOutput,
        PasswordPolicy,
    },
    login_profiles,
    passwords::PolicyRow,
};

impl Operation<GetAccountPasswordPolicy> for Iam {
    fn access(&self, _input: &GetAccountPasswordPolicyInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetAccountPasswordPolicy"))
    }

    async fn run(
        &self,
        call: Call<GetAccountPasswordPolicy>,
    ) -> Result<GetAccountPasswordPolicyOutput, Error> {
        let scope = call.scope();
        let policy = self.read(|tx| login_profiles::policy(tx, scope))?.ok_or_else(|| {
            // AWS: text of NoSuchEntity.
            Error::no_such_entity_exception(format!(
                "The Password Policy with domain name {} cannot be found.",
                scope.account.as_str()
            ))
        })?;
        Ok(GetAccountPasswordPolicyOutput { password_policy: shown(&policy) })
    }
}

fn shown(policy: &PolicyRow) -> PasswordPolicy {
    PasswordPolicy {
        minimum_password_length: Some(policy.minimum_length),
        require_symbols: Some(policy.symbols),
        require_numbers: Some(policy.numbers),
        require_uppercase_characters: Some(policy.uppercase),
        require_lowercase_characters: Some(policy.lowercase),
        allow_users_to_change_password: Some(policy.users_may_change),
        expire_passwords: Some(policy.age_days_max > 0),
        max_password_age: Some(policy.age_days_max).filter(|days| *days > 0),
        password_reuse_prevention: Some(policy.remembered).filter(|count| *count > 0),
        hard_expiry: policy.hard_expiry,
    }
}
