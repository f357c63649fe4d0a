//! `DeleteAccountPasswordPolicy`: back to AWS's default policy.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{
        DeleteAccountPasswordPolicy, DeleteAccountPasswordPolicyInput, DeleteAccountPasswordPolicyOutput,
        Error,
    },
    passwords::PolicyRow,
};

impl Operation<DeleteAccountPasswordPolicy> for Iam {
    fn access(&self, _input: &DeleteAccountPasswordPolicyInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:DeleteAccountPasswordPolicy"))
    }

    async fn run(
        &self,
        call: Call<DeleteAccountPasswordPolicy>,
    ) -> Result<DeleteAccountPasswordPolicyOutput, Error> {
        let scope = call.scope().clone();
        self.change(move |tx| {
            let key = Key::of_account(&scope);
            if !tx.exists::<PolicyRow>(&key)? {
                // AWS: text of NoSuchEntity.
                let text = "The account policy with name PasswordPolicy cannot be found.";
                return Err(Error::no_such_entity_exception(text));
            }
            tx.delete::<PolicyRow>(&key)?;
            Ok(())
        })
        .await?;
        Ok(DeleteAccountPasswordPolicyOutput {})
    }
}
