//! The Telemetry API and the Logs API over HTTP: extensions subscribe to what is told inside.
//!
//! AWS: Lambda developer guide, "Lambda Telemetry API reference"; refusals as its local emulator gives them.

use hyper::{Method, Request, StatusCode, body::Incoming};

use super::{
    Answer, Shared,
    extensions::{body, forbidden, identifier, unknown},
    json, problem,
};
use crate::telemetry::{Api, Refused, Subscription};

/// Which of the two a request is for, if any.
pub(super) fn api(method: &Method, path: &str) -> Option<Api> {
    match (method, path.strip_suffix('/').unwrap_or(path)) {
        (&Method::PUT, "/2022-07-01/telemetry") => Some(Api::Telemetry),
        (&Method::PUT, "/2020-08-15/logs") => Some(Api::Logs),
        _ => None,
    }
}

pub(super) async fn subscribe(shared: &Shared, api: Api, request: Request<Incoming>) -> Answer {
    let id = match identifier(request.headers()) {
        Ok(id) => id,
        Err((kind, text)) => return forbidden(kind, text),
    };
    let Ok(name) = shared.extensions.name_of(&id) else {
        return unknown(&format!("Unknown extension {id}"));
    };
    let subscription = match body(&shared.body, request.into_body()).await {
        Ok(body) => Subscription::parse(api, &body),
        Err(why) => Err(why.to_owned()),
    };
    let subscription = match subscription {
        Ok(subscription) => subscription,
        Err(why) => return problem(StatusCode::BAD_REQUEST, "ValidationError", &why),
    };
    match shared.telemetry.subscribe(&name, subscription) {
        Ok(()) => json(StatusCode::OK, r#""OK""#.to_owned()),
        Err(Refused::Closed) => match api {
            Api::Telemetry => {
                forbidden("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed already")
            }
            Api::Logs => forbidden("Logs.SubscriptionClosed", "Logs API subscription is closed already"),
        },
        // DIVERGES: one subscription for each extension, and as many as there are external ones.
        Err(Refused::NoWay) => forbidden(
            "Telemetry.NotSupported",
            "there is one subscription for each external extension, and none is left",
        ),
    }
}
