//! `ListVersionsByFunction`: `$LATEST`, the only version there is.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, ListVersionsByFunction, ListVersionsByFunctionInput, ListVersionsByFunctionOutput},
    ask,
};

impl Operation<ListVersionsByFunction> for Lambda {
    fn access(&self, input: &ListVersionsByFunctionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:ListVersionsByFunction", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<ListVersionsByFunction>) -> Result<ListVersionsByFunctionOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        let mut latest = self.function(&at)?.shown();
        // AWS: here the ARN names the version.
        latest.function_arn = latest.function_arn.map(|arn| format!("{arn}:{}", crate::resource::LATEST));
        Ok(ListVersionsByFunctionOutput { versions: Some(vec![latest]), next_marker: None })
    }
}
