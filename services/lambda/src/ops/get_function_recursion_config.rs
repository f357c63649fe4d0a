//! `GetFunctionRecursionConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, GetFunctionRecursionConfig, GetFunctionRecursionConfigInput, GetFunctionRecursionConfigOutput,
        RecursiveLoop,
    },
    ask,
};

impl Operation<GetFunctionRecursionConfig> for Lambda {
    fn access(&self, input: &GetFunctionRecursionConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetFunctionRecursionConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<GetFunctionRecursionConfig>,
    ) -> Result<GetFunctionRecursionConfigOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        // AWS: loops are stopped unless they are allowed.
        let allowed = self.latest(&at)?.loops_allowed;
        let recursive_loop = if allowed { RecursiveLoop::Allow } else { RecursiveLoop::Terminate };
        Ok(GetFunctionRecursionConfigOutput { recursive_loop: Some(recursive_loop) })
    }
}
