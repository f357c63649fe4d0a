//! `DeleteAlias`: the alias and what was granted on it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{DeleteAlias, DeleteAliasInput, DeleteAliasOutput, Error},
    ask,
    function::Function,
    refusal, removal,
};

impl Operation<DeleteAlias> for Lambda {
    fn access(&self, input: &DeleteAliasInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:DeleteAlias", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<DeleteAlias>) -> Result<DeleteAliasOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let (input, _) = call.into_parts();
        let function = at.clone();
        self.env
            .store
            .write(move |tx| {
                if !tx.exists::<Function>(&at.key())? {
                    return Err(refusal::no_function(&at));
                }
                // AWS: deleting an alias that is not there succeeds.
                removal::alias(tx, &at.qualified_by(&input.name))?;
                Ok::<_, Error>(())
            })
            .await?;
        self.provision(&function)?;
        Ok(DeleteAliasOutput {})
    }
}
