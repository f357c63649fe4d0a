//! `GetPolicy`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, GetPolicy, GetPolicyInput, GetPolicyOutput},
    ask,
    permission::Permissions,
    refusal,
};

impl Operation<GetPolicy> for Lambda {
    fn access(&self, input: &GetPolicyInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetPolicy", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<GetPolicy>) -> Result<GetPolicyOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        self.function(&at)?;
        let found = self.env.store.read(|tx| tx.get::<Permissions>(&at.qualified_key()))?;
        let found = found.ok_or_else(refusal::no_resource)?;
        Ok(GetPolicyOutput { policy: Some(found.shown(&self.env)?), revision_id: Some(found.revision_id) })
    }
}
