//! `CreateAccountAlias`: gives the account a name for people.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam, account,
    api::{CreateAccountAlias, CreateAccountAliasInput, CreateAccountAliasOutput, Error},
};

impl Operation<CreateAccountAlias> for Iam {
    fn access(&self, _input: &CreateAccountAliasInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:CreateAccountAlias"))
    }

    async fn run(&self, call: Call<CreateAccountAlias>) -> Result<CreateAccountAliasOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| account::set_alias(tx, &scope, &input.account_alias)).await?;
        Ok(CreateAccountAliasOutput {})
    }
}
