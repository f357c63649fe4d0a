//! The events functions get: proxy integrations (version 1.0) and REQUEST authorizers.
//!
//! Refuses to know who is called.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_kernel::Caller;
use serde_json::{Map, Value, json};

use crate::arrived::Arrived;

/// Who calls, as far as the request was authorised.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// `requestContext.authorizer`, when there was an authorizer.
    pub(crate) authorizer: Option<Map<String, Value>>,
    /// `requestContext.identity` of signed requests.
    pub(crate) signer: Option<Signer>,
}

/// The caller of a signed request.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) caller: Caller,
    pub(crate) access_key_id: Option<String>,
}

/// The event of a proxy integration.
pub(crate) fn proxy_event(arrived: &Arrived, identity: &Identity, binary: bool) -> Value {
    let mut event = common(arrived, identity);
    let body = match (arrived.body.is_empty(), binary) {
        (true, _) => Value::Null,
        (false, true) => STANDARD.encode(&arrived.body).into(),
        (false, false) => String::from_utf8_lossy(&arrived.body).into(),
    };
    event.insert("body".to_owned(), body);
    event.insert("isBase64Encoded".to_owned(), (binary && !arrived.body.is_empty()).into());
    Value::Object(event)
}

/// The event of a REQUEST authorizer.
pub(crate) fn authorizer_event(arrived: &Arrived) -> Value {
    let mut event = Map::new();
    event.insert("type".to_owned(), "REQUEST".into());
    event.insert("methodArn".to_owned(), arrived.method_arn().as_str().into());
    event.extend(common(arrived, &Identity::default()));
    Value::Object(event)
}

/// The event of a TOKEN authorizer.
pub(crate) fn token_event(arrived: &Arrived, token: &str) -> Value {
    json!({"type": "TOKEN", "methodArn": arrived.method_arn().as_str(), "authorizationToken": token})
}

fn common(arrived: &Arrived, identity: &Identity) -> Map<String, Value> {
    let headers = passed_headers(arrived);
    let mut event = Map::new();
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set("resource", arrived.resource_path.as_str().into());
    set("path", arrived.path.as_str().into());
    set("httpMethod", arrived.method.as_str().into());
    set("headers", last_values(&headers));
    set("multiValueHeaders", all_values(&headers));
    set("queryStringParameters", last_values(&arrived.query));
    set("multiValueQueryStringParameters", all_values(&arrived.query));
    set("pathParameters", map_or_null(&arrived.path_parameters));
    set("stageVariables", map_or_null(&arrived.stage_variables));
    set("requestContext", request_context(arrived, identity));
    event
}

/// The client's headers and those the gateway adds.
fn passed_headers(arrived: &Arrived) -> Vec<(String, String)> {
    let mut headers = arrived.headers.clone();
    headers.push(("X-Forwarded-For".to_owned(), arrived.source_ip.clone()));
    let (scheme, port) = &arrived.transport;
    headers.push(("X-Forwarded-Port".to_owned(), port.clone()));
    headers.push(("X-Forwarded-Proto".to_owned(), (*scheme).to_owned()));
    headers.push(("X-Amzn-Trace-Id".to_owned(), arrived.trace_id.clone()));
    headers
}

// AWS: empty maps are null; single-value maps keep the last value (recorded).
fn last_values(pairs: &[(String, String)]) -> Value {
    map_or_null(&pairs.iter().cloned().collect())
}

fn map_or_null(map: &BTreeMap<String, String>) -> Value {
    if map.is_empty() { Value::Null } else { json!(map) }
}

fn all_values(pairs: &[(String, String)]) -> Value {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        all.entry(name).or_default().push(value);
    }
    if all.is_empty() { Value::Null } else { json!(all) }
}

fn request_context(arrived: &Arrived, identity: &Identity) -> Value {
    let prefix = arrived.domain_name.split('.').next().unwrap_or_default();
    let mut context = json!({
        "accountId": arrived.scope.account.as_str(),
        "apiId": arrived.api_id,
        "deploymentId": arrived.deployment_id,
        "domainName": arrived.domain_name,
        "domainPrefix": prefix,
        "extendedRequestId": arrived.extended_request_id,
        "httpMethod": arrived.method,
        "identity": identity_of(arrived, identity.signer.as_ref()),
        "path": arrived.staged_path(),
        "protocol": arrived.protocol,
        "requestId": arrived.request_id,
        "requestTime": arrived.request_time(),
        "requestTimeEpoch": arrived.now.millis(),
        "resourceId": arrived.resource_id,
        "resourcePath": arrived.resource_path,
        "stage": arrived.stage,
    });
    if let (Some(authorizer), Value::Object(context)) = (&identity.authorizer, &mut context) {
        context.insert("authorizer".to_owned(), Value::Object(authorizer.clone()));
    }
    context
}

/// `$context` of mapping templates: what events have, and what only templates have.
// AWS: mapping template reference; of an unauthorised request the principal and the key are there, and empty.
pub(crate) fn template_context(arrived: &Arrived, identity: &Identity) -> Map<String, Value> {
    let Value::Object(mut context) = request_context(arrived, identity) else { return Map::new() };
    context.insert("xrayTraceId".to_owned(), arrived.trace_id.as_str().into());
    context.entry("authorizer").or_insert_with(|| json!({"principalId": ""}));
    if let Some(identity) = context.get_mut("identity").and_then(Value::as_object_mut) {
        identity.insert("apiKey".to_owned(), "".into());
        identity.insert("apiKeyId".to_owned(), "".into());
    }
    context
}

fn identity_of(arrived: &Arrived, signer: Option<&Signer>) -> Value {
    let user_id = signer.and_then(|signer| signer.caller.user_id());
    json!({
        "accessKey": signer.and_then(|signer| signer.access_key_id.clone()),
        "accountId": signer.and_then(|signer| signer.caller.account()).map(|account| account.as_str().to_owned()),
        "caller": user_id,
        "cognitoAuthenticationProvider": null,
        "cognitoAuthenticationType": null,
        "cognitoIdentityId": null,
        "cognitoIdentityPoolId": null,
        "principalOrgId": null,
        "sourceIp": arrived.source_ip,
        "user": user_id,
        "userAgent": arrived.user_agent,
        "userArn": signer.map(|signer| signer.caller.arn_text()),
    })
}
