//! What the event tells it to do: answers, fails, answers too much, takes too long, crashes, streams.

use std::time::Duration;

use lambda_runtime::{
    Error, LambdaEvent, service_fn,
    streaming::{Body, Response, channel},
};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mode = std::env::vars().find(|(name, _)| name == "MODE").map(|(_, value)| value);
    match mode.as_deref() {
        Some("init-error") => Err("cannot start".into()),
        Some("stream") => lambda_runtime::run(service_fn(stream)).await,
        _ => lambda_runtime::run(service_fn(whole)).await,
    }
}

async fn whole(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    match event["do"].as_str() {
        Some("error") => Err("as asked".into()),
        Some("oversize") => Ok(json!("x".repeat(6_291_600))),
        Some("timeout") => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            Ok(Value::Null)
        }
        Some("crash") => std::process::exit(7),
        _ => Ok(json!({
            "event": event,
            "id": context.request_id,
            "arn": context.invoked_function_arn,
            "trace": context.xray_trace_id.is_some(),
            "left": context.deadline > 0,
        })),
    }
}

async fn stream(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let (mut sender, body) = channel();
    let crashes = event.payload["do"] == "crash";
    tokio::spawn(async move {
        for number in 0..3 {
            if sender.send_data(format!("piece {number}\n").into()).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if crashes {
            std::process::exit(7);
        }
    });
    Ok(Response::from(body))
}
