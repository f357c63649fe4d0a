//! `DeleteAccountAlias`: takes the account's alias away.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam, account,
    api::{DeleteAccountAlias, DeleteAccountAliasInput, DeleteAccountAliasOutput, Error},
};

impl Operation<DeleteAccountAlias> for Iam {
    fn access(&self, _input: &DeleteAccountAliasInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:DeleteAccountAlias"))
    }

    async fn run(&self, call: Call<DeleteAccountAlias>) -> Result<DeleteAccountAliasOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| account::delete_alias(tx, &scope, &input.account_alias)).await?;
        Ok(DeleteAccountAliasOutput {})
    }
}
