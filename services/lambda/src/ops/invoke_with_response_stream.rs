//! `InvokeWithResponseStream`: runs a function and hands its answer on as it is made, as a stream of events.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use casemate_kernel::{Access, BodySender, BodyStream, BrokenOff, Call, Caller, Operation};
use casemate_wire::event_stream;

use super::invoke::{checked, client_context};
use crate::{
    Lambda,
    api::{
        Error, InvocationType, InvokeWithResponseStream, InvokeWithResponseStreamInput,
        InvokeWithResponseStreamOutput, LogType, ResponseStreamingInvocationType,
    },
    ask,
    invocation::{Finished, Outcome},
    invoker::Request,
    principal, refusal,
    streaming::{Next, Piece, Streaming},
};

impl Operation<InvokeWithResponseStream> for Lambda {
    // AWS: the action is lambda:InvokeFunction here, too (service authorization reference).
    fn access(&self, input: &InvokeWithResponseStreamInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:InvokeFunction", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<InvokeWithResponseStream>,
    ) -> Result<InvokeWithResponseStreamOutput, Error> {
        let input = &call.input;
        let at = self.at(&input.function_name, input.qualifier.as_deref(), call.caller());
        let function = Arc::new(self.invoked(&at).await?);
        let version = function.version;
        if input.tenant_id.is_some() {
            return Err(refusal::not_here("tenant isolation"));
        }
        let payload = input.payload.clone().unwrap_or_default();
        let payload = checked(payload, InvocationType::RequestResponse)?;
        let request = Request {
            id: call.request_id().as_str().to_owned(),
            invoked: at.requested_arn(),
            principal: principal::of(call.caller(), &call.facts().peer, &payload),
            payload,
            client_context: input.client_context.as_deref().map(client_context).transpose()?,
            trace: self.trace(call.facts().trace.as_deref(), &function, call.now()).or_refused()?,
            sink: None,
        };
        if input.invocation_type == Some(ResponseStreamingInvocationType::DryRun) {
            return Ok(InvokeWithResponseStreamOutput { status_code: Some(204), ..Default::default() });
        }
        let with_log = input.log_type == Some(LogType::Tail);
        let streaming = Streaming::begin(&self.invoker, function, request, with_log).await?;
        let (sender, body) = BodyStream::channel();
        drop(tokio::spawn(async move {
            // A client that is gone: the function still runs to its end.
            let _ = hand_on(streaming, sender, with_log).await;
        }));
        call.permit().stream(body);
        Ok(InvokeWithResponseStreamOutput {
            status_code: Some(200),
            executed_version: Some(version.to_string()),
            response_stream_content_type: Some(event_stream::MEDIA_TYPE.to_owned()),
        })
    }
}

async fn hand_on(mut streaming: Streaming, sender: BodySender, with_log: bool) -> Result<(), BrokenOff> {
    loop {
        match streaming.next().await {
            Next::Piece(Piece::Begun(_)) => {}
            Next::Piece(Piece::Data(bytes)) => sender.send(chunk(&bytes)).await?,
            Next::End(finished) => {
                if let Outcome::Answer(bytes) = &finished.outcome
                    && !bytes.is_empty()
                {
                    sender.send(chunk(bytes)).await?;
                }
                sender.send(complete(&finished, with_log)).await?;
                sender.finish().await;
                return Ok(());
            }
            Next::Lost => return Err(BrokenOff),
        }
    }
}

fn chunk(bytes: &[u8]) -> Bytes {
    event_stream::event("PayloadChunk", "application/octet-stream", bytes)
}

/// The last event: how it ended, and the log if it was asked for.
fn complete(finished: &Finished, with_log: bool) -> Bytes {
    let mut members = serde_json::Map::new();
    if let Outcome::Failure(report) = &finished.outcome {
        // AWS: the code as Invoke has it, the report as text.
        members.insert("ErrorCode".to_owned(), "Unhandled".into());
        members.insert("ErrorDetails".to_owned(), String::from_utf8_lossy(report).into());
    }
    if with_log {
        members.insert("LogResult".to_owned(), STANDARD.encode(&finished.tail).into());
    }
    let payload = serde_json::Value::Object(members).to_string();
    event_stream::event("InvokeComplete", "application/json", payload.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_tells_of_a_failure_and_of_the_log_only_if_asked() {
        let outcome = Outcome::Failure(Bytes::from_static(br#"{"errorType":"E"}"#));
        let finished = Finished { outcome, tail: b"line\n".to_vec() };
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        let told = text(complete(&finished, false));
        assert!(told.contains(r#""ErrorCode":"Unhandled","ErrorDetails":"{\"errorType\":\"E\"}""#), "{told}");
        assert!(!told.contains("LogResult"));
        let finished = Finished { outcome: Outcome::Answer(Bytes::new()), ..finished };
        assert!(text(complete(&finished, true)).contains(r#"{"LogResult":"bGluZQo="}"#));
        assert!(text(complete(&finished, false)).contains("{}"));
    }
}
