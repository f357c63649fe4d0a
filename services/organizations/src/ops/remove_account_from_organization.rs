//! `RemoveAccountFromOrganization`: the account stands alone from then on, without ceilings. What it has stays, also the
//! role that trusts the former management account.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::AccountId;

use crate::{
    Organizations,
    api::{
        ConstraintViolationExceptionReason as Limit, Error, RemoveAccountFromOrganization,
        RemoveAccountFromOrganizationInput, RemoveAccountFromOrganizationOutput,
    },
    refusal,
};

impl Operation<RemoveAccountFromOrganization> for Organizations {
    fn access(&self, input: &RemoveAccountFromOrganizationInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:RemoveAccountFromOrganization", &[&input.account_id], None, caller)
    }

    async fn run(
        &self,
        call: Call<RemoveAccountFromOrganization>,
    ) -> Result<RemoveAccountFromOrganizationOutput, Error> {
        let id = call.input.account_id.clone();
        self.change(call.scope(), move |tx, organization| {
            if organization.management.as_str() == id {
                return Err(Error::master_cannot_leave_organization_exception(
                    "You can't remove the management account from its organization.",
                ));
            }
            let member = organization.accounts.get(&id).ok_or_else(refusal::no_account)?;
            if member.closed {
                // A closed account would be open again as soon as nobody says that it is closed.
                let text = "You can't remove a closed account from an organization.";
                return Err(refusal::limit(Limit::AccountCannotLeaveOrganization, text));
            }
            let account = AccountId::parse(&id).map_err(|_| refusal::no_account())?;
            organization.leave(tx, &account)
        })
        .await?;
        Ok(RemoveAccountFromOrganizationOutput {})
    }
}
