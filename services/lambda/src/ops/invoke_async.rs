//! `InvokeAsync`, which `Invoke` has replaced: queues a request.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::invoke::event;
use crate::{
    Lambda,
    api::{Error, InvokeAsync, InvokeAsyncInput, InvokeAsyncOutput},
    ask,
    invoker::Request,
    principal,
};

/// Largest event, in bytes.
// AWS: 256 KB; the larger limit of `Invoke` does not hold here (developer guide, quotas).
const EVENT_BYTES_MAX: usize = 262_144;

impl Operation<InvokeAsync> for Lambda {
    // DIVERGES: both actions must be allowed; which of the two AWS asks for is not documented alike everywhere.
    fn access(&self, input: &InvokeAsyncInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        let on = |action| ask::on(action, at.requested_arn(), caller);
        Ok(Access::Iam(vec![on("lambda:InvokeFunction"), on("lambda:InvokeAsync")]))
    }

    async fn run(&self, call: Call<InvokeAsync>) -> Result<InvokeAsyncOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        let function = self.function(&at)?;
        let payload = event(call.input.invoke_args.clone(), EVENT_BYTES_MAX)?;
        let traced = self.trace(call.facts().trace.as_deref(), &function, call.now());
        let request = Request {
            id: call.request_id().as_str().to_owned(),
            invoked: at.requested_arn(),
            principal: principal::of(call.caller(), &call.facts().peer, &payload),
            payload,
            client_context: None,
            trace: traced.header,
            sink: None,
        };
        self.queue.accept(&function, request, traced.is_loop, call.now()).await?;
        Ok(InvokeAsyncOutput { status: Some(202) })
    }
}
