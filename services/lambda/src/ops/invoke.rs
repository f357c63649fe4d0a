//! `Invoke`: runs a function and waits for it, queues the request, or only says whether it would be allowed.

use std::{fmt::Write, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, InvocationType, Invoke, InvokeInput, InvokeOutput, LogType},
    ask,
    invocation::{EVENT_BYTES_MAX, Finished, Outcome, PAYLOAD_BYTES_MAX},
    invoker::Request,
    principal, refusal,
    version::Version,
};

/// Longest client context, in bytes of base64.
// AWS: "Up to 3,583 bytes of base64-encoded data" (API reference of Invoke).
const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;

impl Operation<Invoke> for Lambda {
    fn access(&self, input: &InvokeInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:InvokeFunction", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<Invoke>) -> Result<InvokeOutput, Error> {
        let input = &call.input;
        let at = self.at(&input.function_name, input.qualifier.as_deref(), call.caller());
        let function = self.invoked(&at).await?;
        if input.durable_execution_name.is_some() {
            return Err(refusal::not_here("durable execution"));
        }
        if input.tenant_id.is_some() {
            return Err(refusal::not_here("tenant isolation"));
        }
        let kind = input.invocation_type.unwrap_or(InvocationType::RequestResponse);
        let payload = input.payload.clone().unwrap_or_default();
        let payload = checked(payload, kind)?;
        let traced = self.trace(call.facts().trace.as_deref(), &function, call.now());
        let is_loop = traced.is_loop;
        // AWS: an asynchronous request that goes in a circle is taken, and stopped then.
        let trace = if kind == InvocationType::Event { traced.header } else { traced.or_refused()? };
        let request = Request {
            id: call.request_id().as_str().to_owned(),
            invoked: at.requested_arn(),
            principal: principal::of(call.caller(), &call.facts().peer, &payload),
            payload,
            client_context: input.client_context.as_deref().map(client_context).transpose()?,
            trace,
            sink: None,
        };
        match kind {
            InvocationType::DryRun => Ok(accepted(204)),
            InvocationType::Event => {
                self.queue.accept(&function, request, is_loop, call.now()).await?;
                Ok(accepted(202))
            }
            InvocationType::RequestResponse => {
                let version = function.version;
                let with_log = input.log_type == Some(LogType::Tail);
                let finished = self.invoker.invoke_logged(Arc::new(function), request, with_log).await?;
                Ok(answered(finished, version, with_log))
            }
        }
    }
}

fn accepted(status: i32) -> InvokeOutput {
    InvokeOutput { status_code: Some(status), ..InvokeOutput::default() }
}

fn answered(finished: Finished, version: Version, with_log: bool) -> InvokeOutput {
    let (payload, function_error) = match finished.outcome {
        Outcome::Answer(body) => (body, None),
        // AWS: `Handled` is no longer given.
        Outcome::Failure(body) => (body, Some("Unhandled".to_owned())),
    };
    InvokeOutput {
        status_code: Some(200),
        function_error,
        log_result: with_log.then(|| STANDARD.encode(&finished.tail)),
        payload: Some(payload),
        executed_version: Some(version.to_string()),
        ..InvokeOutput::default()
    }
}

/// The event of an asynchronous request, if it is small enough and JSON.
pub(super) fn event(payload: Bytes, bytes_max: usize) -> Result<Bytes, Error> {
    json_within(payload, InvocationType::Event, bytes_max)
}

/// The event, if it is small enough and JSON.
pub(super) fn checked(payload: Bytes, kind: InvocationType) -> Result<Bytes, Error> {
    let bytes_max = if kind == InvocationType::Event { EVENT_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
    json_within(payload, kind, bytes_max)
}

fn json_within(payload: Bytes, kind: InvocationType, bytes_max: usize) -> Result<Bytes, Error> {
    if payload.len() > bytes_max {
        // AWS: text as the service words it.
        return Err(Error::request_too_large_exception(format!(
            "{} byte payload is too large for the {} invocation type (limit {bytes_max} bytes)",
            payload.len(),
            kind.as_str()
        )));
    }
    if payload.is_empty() {
        // AWS: a request without a body is an empty event.
        return Ok(Bytes::from_static(b"{}"));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&payload).map_err(|error| {
        // AWS: the beginning of the service's text; what follows is its parser's.
        Error::invalid_request_content_exception(format!("Could not parse request body into json: {error}"))
    })?;
    Ok(payload)
}

/// The JSON in a client context; it goes into a header, so it must be one line.
pub(super) fn client_context(text: &str) -> Result<String, Error> {
    let refused = || {
        Error::invalid_request_content_exception("Client context must be a valid Base64-encoded JSON object.")
    };
    if text.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(refused());
    }
    let bytes = STANDARD.decode(text).map_err(|_| refused())?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| refused())?;
    if !value.is_object() {
        return Err(refused());
    }
    Ok(ascii(&value.to_string()))
}

/// JSON text with everything beyond ASCII escaped.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for unit in json.chars() {
        if unit.is_ascii() {
            out.push(unit);
        } else {
            let mut pair = [0; 2];
            for half in unit.encode_utf16(&mut pair) {
                let _ = write!(out, "\\u{half:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_their_limit_are_refused() {
        let digits = |count: usize| Bytes::from(vec![b'1'; count]);
        checked(digits(EVENT_BYTES_MAX), InvocationType::Event).unwrap();
        let Err(Error::RequestTooLargeException(refusal)) =
            checked(digits(EVENT_BYTES_MAX + 1), InvocationType::Event)
        else {
            panic!("not refused")
        };
        assert_eq!(
            refusal.message.unwrap(),
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
        );
        assert!(checked(digits(PAYLOAD_BYTES_MAX + 1), InvocationType::RequestResponse).is_err());
    }

    #[test]
    fn what_is_not_json_is_refused_and_nothing_is_an_empty_event() {
        assert_eq!(checked(Bytes::new(), InvocationType::Event).unwrap(), "{}");
        for text in ["{", "nope", "{} {}", "\u{0}"] {
            assert!(matches!(
                checked(Bytes::from(text.to_owned()), InvocationType::RequestResponse),
                Err(Error::InvalidRequestContentException(_))
            ));
        }
    }

    #[test]
    fn a_client_context_is_one_line_of_ascii_json() {
        let text = STANDARD.encode("{\"custom\":\n{\"name\":\"é😀\"}}");
        assert_eq!(client_context(&text).unwrap(), r#"{"custom":{"name":"\u00e9\ud83d\ude00"}}"#);
        for bad in
            ["***", &STANDARD.encode("[1]"), &STANDARD.encode("{"), &"A".repeat(CLIENT_CONTEXT_BYTES_MAX + 1)]
        {
            assert!(client_context(bad).is_err());
        }
    }
}
