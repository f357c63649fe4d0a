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
    let Ok(name) = shared.extensions.external_name(&id) else {
        return unknown(&format!("Unknown extension {id}"));
    };
    let subscription = match body(&shared.body, request.into_body()).await {
        Ok(body) => Subscription::parse(api, &body),
        Err(why) => Err(why.to_owned()),
    };
    let subscription = match subscription {
        Ok(subscription) => subscription,
        // AWS: the types of both references.
        Err(why) => {
            let kind = match api {
                Api::Telemetry => "ValidationError",
                Api::Logs => "Logs.ValidationError",
            };
            return problem(StatusCode::BAD_REQUEST, kind, &why);
        }
    };
    let (closed, unsupported) = match api {
        Api::Telemetry => (
            ("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed already"),
            "Telemetry.NotSupported",
        ),
        Api::Logs => {
            (("Logs.SubscriptionClosed", "Logs API subscription is closed already"), "Logs.NotSupported")
        }
    };
    // What the function runs must not take the way to whoever watches it.
    let subscribed = match name {
        Some(name) => shared.telemetry.subscribe(&name, subscription),
        None => Err(Refused::NoWay),
    };
    match subscribed {
        Ok(told) => {
            if let Some(note) = told {
                shared.output.note(&note);
            }
            json(StatusCode::OK, r#""OK""#.to_owned())
        }
        Err(Refused::Closed) => forbidden(closed.0, closed.1),
        // DIVERGES: an extension's subscription cannot be changed.
        Err(Refused::Subscribed) => {
            forbidden(unsupported, "the extension has subscribed already, to something else")
        }
        // DIVERGES: external extensions have a subscription each, internal ones have none.
        Err(Refused::NoWay) => forbidden(unsupported, "only external extensions can subscribe"),
    }
}

#[cfg(test)]
mod tests;
