//! `GetAlias`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    alias::Alias,
    api::{Error, GetAlias, GetAliasInput, GetAliasOutput},
    ask, refusal,
};

impl Operation<GetAlias> for Lambda {
    fn access(&self, input: &GetAliasInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetAlias", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<GetAlias>) -> Result<GetAliasOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        self.latest(&at)?;
        let place = at.qualified_by(&call.input.name);
        let found = self.env.store.read(|tx| tx.get::<Alias>(&place.qualified_key()))?;
        Ok(found.ok_or_else(|| refusal::no_alias(&place))?.shown(&at))
    }
}
