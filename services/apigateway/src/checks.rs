//! What may be stored: everything that could not be served is refused when it is put, not when somebody calls.

use std::collections::BTreeMap;

use casemate_kernel::{Env, principal_ids};
use casemate_names::{Arn, Scope};

use crate::{
    api::{ConnectionType, Error, IntegrationType, PutIntegrationInput, ResponseTransferMode},
    authorizer::lambda::identity_source,
    definition::{
        Authorization, Authorizer, AuthorizerKind, Definition, GatewayResponse, Integration, IntegrationKind,
        Method, MethodResponse, Resource,
    },
    mock::selection,
    refusal::is_response_mapping,
    resource,
    template::{Place, Reference, mapping, quoted},
    velocity::{Script, TEMPLATE_BYTES_MAX},
};

/// Verbs a method can have.
pub(crate) const VERBS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// AWS: default and bounds of an integration's time, milliseconds.
pub(crate) const TIMEOUT_MS_MAX: i32 = 29_000;
const TIMEOUT_MS_MIN: i32 = 50;
/// AWS: longest time an authorizer's answer is kept, and the default, seconds.
const TTL_S_MAX: i32 = 3_600;
pub(crate) const TTL_S_DEFAULT: i32 = 300;
/// AWS: stage variables: number, and characters of names and values.
const VARIABLES_MAX: usize = 100;
const VARIABLE_NAME_MAX: usize = 64;
const VARIABLE_VALUE_MAX: usize = 512;
/// AWS: longest resource policy.
const POLICY_BYTES_MAX: usize = 8_192;

/// A bad request with this text.
pub(crate) fn bad(text: impl Into<String>) -> Error {
    Error::bad_request_exception(text)
}

/// A part of an API that was asked for and is not there.
// AWS: texts of the service.
pub(crate) fn missing(what: &str) -> Error {
    Error::not_found_exception(format!("Invalid {what} identifier specified"))
}

/// The resource of an API.
pub(crate) fn resource_of<'a>(definition: &'a mut Definition, id: &str) -> Result<&'a mut Resource, Error> {
    definition.resources.get_mut(id).ok_or_else(|| missing("Resource"))
}

/// The method of a resource.
pub(crate) fn method_of<'a>(
    definition: &'a mut Definition,
    resource_id: &str,
    verb: &str,
) -> Result<&'a mut Method, Error> {
    resource_of(definition, resource_id)?.methods.get_mut(verb).ok_or_else(|| missing("Method"))
}

/// The integration of a method.
pub(crate) fn integration_of<'a>(
    definition: &'a mut Definition,
    resource_id: &str,
    verb: &str,
) -> Result<&'a mut Integration, Error> {
    method_of(definition, resource_id, verb)?.integration.as_mut().ok_or_else(|| missing("Integration"))
}

/// A method and what it refers to.
pub(crate) fn method(definition: &Definition, verb: &str, method: &Method) -> Result<(), Error> {
    if !VERBS.contains(&verb) {
        return Err(bad(format!("Invalid HttpMethod specified. Valid options are {}", VERBS.join(","))));
    }
    let wanted: &[AuthorizerKind] = match method.authorization {
        Authorization::None | Authorization::Iam => &[],
        Authorization::Custom => &[AuthorizerKind::Token, AuthorizerKind::Request],
        Authorization::Cognito => &[AuthorizerKind::Cognito],
    };
    let authorizer = method.authorizer_id.as_ref().map(|id| definition.authorizers.get(id));
    let fits = match authorizer {
        None => wanted.is_empty(),
        Some(found) => wanted.is_empty() || found.is_some_and(|found| wanted.contains(&found.kind)),
    };
    if !fits {
        // AWS: text of the service.
        return Err(bad(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
        ));
    }
    if !method.authorization_scopes.is_empty() && method.authorization != Authorization::Cognito {
        return Err(bad(
            "authorizationScopes can only be set where the authorization type is COGNITO_USER_POOLS",
        ));
    }
    if method.request_validator_id.as_ref().is_some_and(|id| !definition.validators.contains_key(id)) {
        return Err(bad("Invalid Request Validator identifier specified"));
    }
    for name in method.request_parameters.keys() {
        if !matches!(mapping(name), Some(Reference::PlacedParameter(..))) {
            // AWS: text of the service.
            return Err(bad(format!("Invalid mapping expression specified: {name}")));
        }
    }
    for name in method.request_models.values() {
        if name != "Empty" && !definition.models.contains_key(name) {
            return Err(bad(format!("Invalid model identifier specified: {name}")));
        }
    }
    Ok(())
}

/// Refuses what no key can be asked for yet.
// DIVERGES: API keys are not there; a method that demands one would otherwise be open or shut by accident.
pub(crate) fn no_api_key(required: bool) -> Result<(), Error> {
    if required {
        return Err(bad("apiKeyRequired is not supported: API keys and usage plans are not available"));
    }
    Ok(())
}

/// An answer a method declares.
pub(crate) fn method_response(
    definition: &Definition,
    code: &str,
    response: &MethodResponse,
) -> Result<(), Error> {
    status(code)?;
    for name in response.parameters.keys() {
        if !name.starts_with("method.response.header.") {
            return Err(bad(format!("Invalid mapping expression specified: {name}")));
        }
    }
    for name in response.models.values() {
        if !matches!(name.as_str(), "Empty" | "Error") && !definition.models.contains_key(name) {
            return Err(bad(format!("Invalid model identifier specified: {name}")));
        }
    }
    Ok(())
}

/// Three digits.
pub(crate) fn status(code: &str) -> Result<(), Error> {
    let legal = code.parse::<u16>().is_ok_and(|code| (200..600).contains(&code)) && code.len() == 3;
    // AWS: text of the service.
    if legal { Ok(()) } else { Err(Error::not_found_exception("Invalid Response status code specified")) }
}

/// Turns the input of PutIntegration into an integration.
pub(crate) fn integration_input(input: &PutIntegrationInput) -> Result<Integration, Error> {
    let kind = match input.r#type {
        IntegrationType::AwsProxy => IntegrationKind::LambdaProxy,
        IntegrationType::Mock => IntegrationKind::Mock,
        other => {
            return Err(bad(format!(
                "Integrations of type '{}' are not supported; use AWS_PROXY with a Lambda function, or MOCK",
                other.as_str()
            )));
        }
    };
    let unsupported = [
        ("connectionType VPC_LINK", input.connection_type == Some(ConnectionType::VpcLink)),
        ("connectionId", input.connection_id.is_some()),
        ("requestParameters", input.request_parameters.as_ref().is_some_and(|map| !map.is_empty())),
        ("cacheKeyParameters", input.cache_key_parameters.as_ref().is_some_and(|list| !list.is_empty())),
        ("contentHandling", input.content_handling.is_some()),
        ("tlsConfig", input.tls_config.is_some()),
        ("responseTransferMode STREAM", input.response_transfer_mode == Some(ResponseTransferMode::Stream)),
        ("integrationTarget", input.integration_target.is_some()),
    ];
    if let Some((what, _)) = unsupported.iter().find(|(_, asked)| *asked) {
        return Err(bad(format!("{what} is not supported")));
    }
    Ok(Integration {
        kind,
        http_method: input.integration_http_method.clone(),
        uri: input.uri.clone(),
        credentials: input.credentials.clone(),
        request_templates: input.request_templates.clone().unwrap_or_default(),
        request_parameters: BTreeMap::new(),
        passthrough_behavior: input
            .passthrough_behavior
            .clone()
            .unwrap_or_else(|| "WHEN_NO_MATCH".to_owned()),
        timeout_ms: input.timeout_in_millis.unwrap_or(TIMEOUT_MS_MAX),
        cache_namespace: input.cache_namespace.clone(),
        responses: BTreeMap::new(),
    })
}

/// An integration that can be served.
pub(crate) fn integration(integration: &Integration) -> Result<(), Error> {
    if integration.kind == IntegrationKind::LambdaProxy {
        function_uri(integration.uri.as_deref())?;
        // DIVERGES: API Gateway stores other verbs and then fails every request.
        if integration.http_method.as_deref() != Some("POST") {
            return Err(bad(
                "Integrations of type 'AWS_PROXY' with Lambda functions must use the HTTP method POST",
            ));
        }
        credentials(integration.credentials.as_deref())?;
    }
    for template in integration.request_templates.values() {
        self::template(template)?;
    }
    if !matches!(integration.passthrough_behavior.as_str(), "WHEN_NO_MATCH" | "WHEN_NO_TEMPLATES" | "NEVER") {
        return Err(bad(
            "Invalid passthrough behavior. Valid options are WHEN_NO_MATCH, WHEN_NO_TEMPLATES, and NEVER",
        ));
    }
    if !(TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(&integration.timeout_ms) {
        return Err(bad("Timeout should be between 50 ms and 29000 ms"));
    }
    Ok(())
}

fn function_uri(uri: Option<&str>) -> Result<(), Error> {
    let plain: Vec<&str> = uri.unwrap_or_default().split("${stageVariables.").collect();
    // With a stage variable in it, the function is known only when it is called.
    let fits = match plain.as_slice() {
        [whole] => resource::function_of(whole).is_some(),
        [first, ..] => first.contains(":lambda:path/2015-03-31/functions/") && first.starts_with("arn:"),
        [] => false,
    };
    // AWS: text of the service.
    if fits {
        Ok(())
    } else {
        Err(bad(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        ))
    }
}

/// Credentials must be a role: the caller's own cannot be used.
// DIVERGES: `arn:aws:iam::*:user/*` (the caller's credentials) is refused.
fn credentials(role: Option<&str>) -> Result<(), Error> {
    let Some(role) = role else { return Ok(()) };
    let is_role = Arn::parse(role).is_ok_and(|arn| {
        arn.service() == "iam" && arn.resource().starts_with("role/") && arn.account_id().is_some()
    });
    if is_role {
        Ok(())
    } else {
        Err(bad("Invalid ARN specified in the request: credentials must be the ARN of a role"))
    }
}

fn template(text: &str) -> Result<(), Error> {
    Script::parse(text)
        .map(|_| ())
        .map_err(|error| bad(format!("Invalid mapping template specified: {error}")))
}

/// An integration response, as the method's answer of the same status allows.
pub(crate) fn integration_response(method: &Method, code: &str) -> Result<(), Error> {
    let response = method.integration.as_ref().and_then(|integration| integration.responses.get(code));
    let Some(response) = response else { return Ok(()) };
    let declared = method.responses.get(code);
    // AWS: text of the service.
    let declared =
        declared.ok_or_else(|| Error::not_found_exception("Invalid Response status code specified"))?;
    if let Some(pattern) = &response.selection_pattern {
        selection(pattern).map_err(|_| bad("Invalid selection pattern specified"))?;
    }
    for (name, expression) in &response.parameters {
        let legal = quoted(expression).is_some()
            || matches!(mapping(expression), Some(Reference::Context(_) | Reference::StageVariable(_)));
        if !declared.parameters.contains_key(name) || !legal {
            // AWS: text of the service.
            let which = if legal { name } else { expression };
            return Err(bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {which}]"
            )));
        }
    }
    response.templates.values().try_for_each(|text| template(text))
}

/// An authorizer that can be asked.
pub(crate) fn authorizer(scope: &Scope, authorizer: &Authorizer) -> Result<(), Error> {
    if !(0..=TTL_S_MAX).contains(&authorizer.result_ttl_s) {
        return Err(bad("Invalid TTL: authorizerResultTtlInSeconds must be between 0 and 3600"));
    }
    let sources: Vec<&str> =
        authorizer.identity_source.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    let read: Option<Vec<Reference>> = sources.iter().map(|source| identity_source(source)).collect();
    // AWS: texts of the service.
    let read = read.ok_or_else(|| bad("Invalid mapping expression specified: identitySource"))?;
    let one_header = matches!(read.as_slice(), [Reference::PlacedParameter(Place::Header, _)]);
    if let Some(expression) = &authorizer.identity_validation_expression {
        selection(expression).map_err(|_| bad("Invalid identityValidationExpression specified"))?;
    }
    match authorizer.kind {
        AuthorizerKind::Cognito => {
            if authorizer.provider_arns.is_empty() {
                return Err(bad("COGNITO_USER_POOLS authorizers must have at least one provider ARN"));
            }
            let is_pool = |text: &String| {
                Arn::parse(text).is_ok_and(|arn| {
                    let own = arn.region() == scope.region.as_str() && arn.partition() == scope.partition;
                    own && arn.service() == "cognito-idp" && arn.resource().starts_with("userpool/")
                })
            };
            if !authorizer.provider_arns.iter().all(is_pool) {
                return Err(bad("Invalid Cognito User Pool provider ARN"));
            }
            if !read.is_empty() && !one_header {
                return Err(bad("COGNITO_USER_POOLS authorizers have one header as identity source"));
            }
        }
        AuthorizerKind::Token | AuthorizerKind::Request => {
            if authorizer.kind == AuthorizerKind::Token && !one_header {
                return Err(bad("TOKEN authorizers must have one header as identity source"));
            }
            if read.is_empty() && authorizer.result_ttl_s > 0 {
                // AWS: text of the service.
                return Err(bad("Identity source must be specified when authorizer caching is enabled"));
            }
            function_uri(authorizer.uri.as_deref())
                .map_err(|_| bad("Invalid Authorizer URI: it must name a Lambda function"))?;
            credentials(authorizer.credentials.as_deref())?;
        }
    }
    Ok(())
}

/// A customised answer of the gateway.
pub(crate) fn gateway_response(response: &GatewayResponse) -> Result<(), Error> {
    if let Some(code) = &response.status {
        status(code).map_err(|_| bad("Invalid status code specified"))?;
    }
    for (name, expression) in &response.parameters {
        if !is_response_mapping(name, expression) {
            return Err(bad(format!("Invalid mapping expression specified: {name} = {expression}")));
        }
    }
    if response.templates.values().any(|text| text.len() > TEMPLATE_BYTES_MAX) {
        return Err(bad("Response templates can have at most 300 KB"));
    }
    Ok(())
}

/// A resource policy that compiles.
pub(crate) fn policy(scope: &Scope, api_id: &str, text: Option<&str>) -> Result<(), Error> {
    let Some(text) = text else { return Ok(()) };
    if text.len() > POLICY_BYTES_MAX {
        return Err(bad("Resource policies can have at most 8192 characters"));
    }
    crate::plan::resource_policy(scope, api_id, text).map(|_| ()).map_err(|why| invalid_policy(&why))
}

/// The unique ids of those whom a resource policy names, who must exist. Of text that is no policy: none.
pub(crate) fn policy_ids(env: &Env, text: Option<&str>) -> Result<BTreeMap<String, String>, Error> {
    let Some(text) = text else { return Ok(BTreeMap::new()) };
    let sessions = env.sessions()?;
    principal_ids(text, &mut |named| Ok(sessions.unique_id_of(named)?), invalid_policy)
}

fn invalid_policy(why: &str) -> Error {
    // AWS: text of the service.
    bad(format!(
        "Invalid policy document. Please check the policy syntax and ensure that Principals are valid. ({why})"
    ))
}

/// A stage's name.
// AWS: `[a-zA-Z0-9_-]`, up to 128 characters.
pub(crate) fn stage_name(name: &str) -> Result<(), Error> {
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    // AWS: text of the service.
    if legal && (1..=128).contains(&name.len()) {
        Ok(())
    } else {
        Err(bad("Stage name only allows a-zA-Z0-9_-"))
    }
}

/// A stage's variables.
pub(crate) fn variables(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    let name = |name: &String| {
        (1..=VARIABLE_NAME_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    // AWS: characters of values as in the developer guide.
    let value = |value: &String| {
        value.len() <= VARIABLE_VALUE_MAX
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,@".contains(&byte))
    };
    if variables.len() > VARIABLES_MAX || !variables.iter().all(|(n, v)| name(n) && value(v)) {
        return Err(bad(
            "Stage variable names have up to 64 letters, digits and underscores, values up to 512 characters of [A-Za-z0-9-._~:/?#&=,@]; a stage has at most 100",
        ));
    }
    Ok(())
}
