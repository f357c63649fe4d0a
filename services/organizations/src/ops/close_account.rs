//! `CloseAccount`: nobody who signs or shows a token of the account can act any more, and nobody on what it has, from the next
//! request on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        CloseAccount, CloseAccountInput, CloseAccountOutput, ConstraintViolationExceptionReason as Limit,
        Error,
    },
    refusal,
};

impl Operation<CloseAccount> for Organizations {
    fn access(&self, input: &CloseAccountInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:CloseAccount", &[&input.account_id], None, caller)
    }

    // DIVERGES: the account is closed at once and for good; AWS keeps it for 90 days in which it can be opened again.
    async fn run(&self, call: Call<CloseAccount>) -> Result<CloseAccountOutput, Error> {
        let id = call.input.account_id.clone();
        self.change(call.scope(), move |_, organization| {
            if organization.management.as_str() == id {
                let text = "You can't close the management account of an organization.";
                return Err(refusal::limit(Limit::CannotCloseManagementAccount, text));
            }
            let member = organization.accounts.get_mut(&id).ok_or_else(refusal::no_account)?;
            if member.closed {
                return Err(Error::account_already_closed_exception("The account is already closed."));
            }
            member.closed = true;
            Ok(())
        })
        .await?;
        Ok(CloseAccountOutput {})
    }
}
