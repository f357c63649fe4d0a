//! `MoveAccount`: puts an account below another root or unit.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, MoveAccount, MoveAccountInput, MoveAccountOutput},
    nodes::Node,
    refusal,
};

impl Operation<MoveAccount> for Organizations {
    fn access(&self, input: &MoveAccountInput, caller: &Caller) -> Result<Access, Error> {
        let ids = [
            input.account_id.as_str(),
            input.source_parent_id.as_str(),
            input.destination_parent_id.as_str(),
        ];
        self.ask("organizations:MoveAccount", &ids, None, caller)
    }

    async fn run(&self, call: Call<MoveAccount>) -> Result<MoveAccountOutput, Error> {
        let input = call.input.clone();
        self.change(call.scope(), move |_, organization| {
            let is_parent = |id: &str| organization.node(id).is_some_and(|node| node != Node::Account);
            let destination_exists = is_parent(&input.destination_parent_id);
            let member = organization.accounts.get_mut(&input.account_id).ok_or_else(refusal::no_account)?;
            if member.parent != input.source_parent_id {
                return Err(Error::source_parent_not_found_exception(
                    "You specified a source parent that isn't the parent of the account.",
                ));
            }
            if !destination_exists {
                return Err(Error::destination_parent_not_found_exception(
                    "You specified a destination parent that doesn't exist.",
                ));
            }
            if input.source_parent_id == input.destination_parent_id {
                return Err(Error::duplicate_account_exception(
                    "The account is already in the specified destination.",
                ));
            }
            member.parent.clone_from(&input.destination_parent_id);
            Ok(())
        })
        .await?;
        Ok(MoveAccountOutput {})
    }
}
