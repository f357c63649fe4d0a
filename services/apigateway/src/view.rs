//! What is stored, as the API shows it.

use std::collections::BTreeMap;

use crate::{
    api::{self, AuthorizerType, EndpointConfiguration, EndpointType, GatewayResponseType, IntegrationType},
    definition::{
        Authorizer, AuthorizerKind, Definition, GatewayResponse, Integration, IntegrationKind,
        IntegrationResponse, Method, MethodResponse, Model, RequestValidator, Resource, RestApi,
    },
    rows::{Account, Deployment, MethodSetting, Stage},
    throttle::{BURST_LIMIT, RATE_LIMIT},
};

fn some<K, V>(map: &BTreeMap<K, V>) -> Option<BTreeMap<K, V>>
where
    K: Ord + Clone,
    V: Clone,
{
    (!map.is_empty()).then(|| map.clone())
}

pub(crate) fn rest_api(api: &RestApi) -> api::RestApi {
    let definition = &api.definition;
    let types = api.endpoint_types.iter().filter_map(|text| EndpointType::parse(text)).collect();
    api::RestApi {
        id: Some(api.id.clone()),
        name: Some(api.name.clone()),
        description: api.description.clone(),
        version: api.version.clone(),
        created_date: Some(api.created_at),
        binary_media_types: (!definition.binary_media_types.is_empty())
            .then(|| definition.binary_media_types.clone()),
        api_key_source: Some(api::ApiKeySourceType::Header),
        endpoint_configuration: Some(EndpointConfiguration {
            types: Some(types),
            ..EndpointConfiguration::default()
        }),
        policy: definition.policy.clone(),
        tags: some(&api.tags),
        disable_execute_api_endpoint: Some(definition.disable_execute_api_endpoint),
        root_resource_id: Some(definition.root_resource_id.clone()),
        ..api::RestApi::default()
    }
}

/// `embed`: with the methods' contents, not only their verbs.
pub(crate) fn resource(definition: &Definition, resource: &Resource, embed: bool) -> api::Resource {
    let methods = resource.methods.iter().map(|(verb, found)| {
        (verb.clone(), if embed { method(verb, found) } else { api::Method::default() })
    });
    let methods: BTreeMap<String, api::Method> = methods.collect();
    api::Resource {
        id: Some(resource.id.clone()),
        parent_id: resource.parent_id.clone(),
        path_part: resource.parent_id.as_ref().map(|_| resource.path_part.clone()),
        path: Some(definition.path(resource)),
        resource_methods: (!methods.is_empty()).then_some(methods),
    }
}

/// Does `embed` ask for `what`?
pub(crate) fn embeds(embed: Option<&Vec<String>>, what: &str) -> bool {
    embed.into_iter().flatten().any(|asked| asked == what)
}

pub(crate) fn method(verb: &str, method: &Method) -> api::Method {
    let responses = method.responses.iter().map(|(code, found)| (code.clone(), method_response(code, found)));
    let responses: BTreeMap<String, api::MethodResponse> = responses.collect();
    api::Method {
        http_method: Some(verb.to_owned()),
        authorization_type: Some(method.authorization.as_str().to_owned()),
        authorizer_id: method.authorizer_id.clone(),
        api_key_required: Some(false),
        request_validator_id: method.request_validator_id.clone(),
        operation_name: method.operation_name.clone(),
        request_parameters: some(&method.request_parameters),
        request_models: some(&method.request_models),
        method_responses: (!responses.is_empty()).then_some(responses),
        method_integration: method.integration.as_ref().map(integration),
        authorization_scopes: (!method.authorization_scopes.is_empty())
            .then(|| method.authorization_scopes.clone()),
    }
}

pub(crate) fn method_response(code: &str, response: &MethodResponse) -> api::MethodResponse {
    api::MethodResponse {
        status_code: Some(code.to_owned()),
        response_parameters: some(&response.parameters),
        response_models: some(&response.models),
    }
}

pub(crate) fn integration(integration: &Integration) -> api::Integration {
    let responses =
        integration.responses.iter().map(|(code, found)| (code.clone(), integration_response(code, found)));
    let responses: BTreeMap<String, api::IntegrationResponse> = responses.collect();
    api::Integration {
        r#type: Some(match integration.kind {
            IntegrationKind::LambdaProxy => IntegrationType::AwsProxy,
            IntegrationKind::Mock => IntegrationType::Mock,
        }),
        http_method: integration.http_method.clone(),
        uri: integration.uri.clone(),
        credentials: integration.credentials.clone(),
        request_parameters: some(&integration.request_parameters),
        request_templates: some(&integration.request_templates),
        passthrough_behavior: Some(integration.passthrough_behavior.clone()),
        timeout_in_millis: Some(integration.timeout_ms),
        cache_namespace: integration.cache_namespace.clone(),
        cache_key_parameters: Some(Vec::new()),
        integration_responses: (!responses.is_empty()).then_some(responses),
        ..api::Integration::default()
    }
}

pub(crate) fn integration_response(code: &str, response: &IntegrationResponse) -> api::IntegrationResponse {
    api::IntegrationResponse {
        status_code: Some(code.to_owned()),
        selection_pattern: response.selection_pattern.clone(),
        response_parameters: some(&response.parameters),
        response_templates: some(&response.templates),
        content_handling: None,
    }
}

pub(crate) fn authorizer(authorizer: &Authorizer) -> api::Authorizer {
    let (kind, auth_type) = match authorizer.kind {
        AuthorizerKind::Token => (AuthorizerType::Token, "custom"),
        AuthorizerKind::Request => (AuthorizerType::Request, "custom"),
        AuthorizerKind::Cognito => (AuthorizerType::CognitoUserPools, "cognito_user_pools"),
    };
    api::Authorizer {
        id: Some(authorizer.id.clone()),
        name: Some(authorizer.name.clone()),
        r#type: Some(kind),
        provider_arns: (!authorizer.provider_arns.is_empty()).then(|| authorizer.provider_arns.clone()),
        auth_type: Some(authorizer.auth_type.clone().unwrap_or_else(|| auth_type.to_owned())),
        authorizer_uri: authorizer.uri.clone(),
        authorizer_credentials: authorizer.credentials.clone(),
        identity_source: authorizer.identity_source.clone(),
        identity_validation_expression: authorizer.identity_validation_expression.clone(),
        authorizer_result_ttl_in_seconds: Some(authorizer.result_ttl_s),
        ..api::Authorizer::default()
    }
}

pub(crate) fn validator(validator: &RequestValidator) -> api::RequestValidator {
    api::RequestValidator {
        id: Some(validator.id.clone()),
        name: Some(validator.name.clone()),
        validate_request_body: Some(validator.body),
        validate_request_parameters: Some(validator.parameters),
    }
}

pub(crate) fn model(model: &Model) -> api::Model {
    api::Model {
        id: Some(model.id.clone()),
        name: Some(model.name.clone()),
        description: model.description.clone(),
        schema: Some(model.schema.clone()),
        content_type: Some(model.content_type.clone()),
    }
}

/// A response type as customised, or its default.
// AWS: the default template of every type.
pub(crate) fn gateway_response(
    kind: GatewayResponseType,
    custom: Option<&GatewayResponse>,
) -> api::GatewayResponse {
    let template = ("application/json".to_owned(), r#"{"message":$context.error.messageString}"#.to_owned());
    let templates = custom.map(|c| c.templates.clone()).filter(|templates| !templates.is_empty());
    api::GatewayResponse {
        response_type: Some(kind),
        status_code: custom.map_or_else(|| default_status(kind).map(str::to_owned), |c| c.status.clone()),
        response_parameters: Some(custom.map(|c| c.parameters.clone()).unwrap_or_default()),
        response_templates: Some(templates.unwrap_or_else(|| BTreeMap::from([template]))),
        default_response: Some(custom.is_none()),
    }
}

/// AWS: developer guide, "Gateway response types".
fn default_status(kind: GatewayResponseType) -> Option<&'static str> {
    use GatewayResponseType as Kind;
    Some(match kind {
        Kind::Default4xx | Kind::Default5xx => return None,
        Kind::ResourceNotFound => "404",
        Kind::Unauthorized => "401",
        Kind::BadRequestParameters | Kind::BadRequestBody => "400",
        Kind::InvalidApiKey
        | Kind::AccessDenied
        | Kind::InvalidSignature
        | Kind::ExpiredToken
        | Kind::MissingAuthenticationToken
        | Kind::WafFiltered => "403",
        Kind::UnsupportedMediaType => "415",
        Kind::RequestTooLarge => "413",
        Kind::Throttled | Kind::QuotaExceeded => "429",
        Kind::AuthorizerFailure | Kind::AuthorizerConfigurationError | Kind::ApiConfigurationError => "500",
        Kind::IntegrationFailure | Kind::IntegrationTimeout => "504",
    })
}

/// `summary`: with the methods of every path.
pub(crate) fn deployment(deployment: &Deployment, summary: bool) -> api::Deployment {
    let snapshot = |method: &Method| api::MethodSnapshot {
        authorization_type: Some(method.authorization.as_str().to_owned()),
        api_key_required: Some(false),
    };
    let paths = deployment.definition.resources.values().filter(|resource| !resource.methods.is_empty());
    let paths = paths.map(|resource| {
        let methods = resource.methods.iter().map(|(verb, method)| (verb.clone(), snapshot(method)));
        (deployment.definition.path(resource), methods.collect())
    });
    api::Deployment {
        id: Some(deployment.id.clone()),
        description: deployment.description.clone(),
        created_date: Some(deployment.created_at),
        api_summary: summary.then(|| paths.collect()),
    }
}

pub(crate) fn account(settings: &Account) -> api::Account {
    let throttle_settings =
        api::ThrottleSettings { burst_limit: Some(BURST_LIMIT), rate_limit: Some(RATE_LIMIT) };
    api::Account {
        cloudwatch_role_arn: settings.cloudwatch_role_arn.clone(),
        throttle_settings: Some(throttle_settings),
        features: Some(Vec::new()),
        api_key_version: Some("4".to_owned()),
    }
}

// AWS: what is not set is shown with its default.
fn method_setting(setting: &MethodSetting) -> api::MethodSetting {
    api::MethodSetting {
        metrics_enabled: Some(false),
        logging_level: Some("OFF".to_owned()),
        data_trace_enabled: Some(false),
        throttling_burst_limit: Some(setting.burst_limit.unwrap_or(BURST_LIMIT)),
        throttling_rate_limit: Some(setting.rate_limit.unwrap_or(RATE_LIMIT)),
        caching_enabled: Some(false),
        cache_ttl_in_seconds: Some(300),
        cache_data_encrypted: Some(false),
        require_authorization_for_cache_control: Some(true),
        unauthorized_cache_control_header_strategy: Some(
            api::UnauthorizedCacheControlHeaderStrategy::SucceedWithResponseHeader,
        ),
    }
}

pub(crate) fn stage(stage: &Stage) -> api::Stage {
    api::Stage {
        deployment_id: Some(stage.deployment_id.clone()),
        stage_name: Some(stage.name.clone()),
        description: stage.description.clone(),
        cache_cluster_enabled: Some(false),
        cache_cluster_status: Some(api::CacheClusterStatus::NotAvailable),
        method_settings: Some(
            stage.method_settings.iter().map(|(key, found)| (key.clone(), method_setting(found))).collect(),
        ),
        variables: some(&stage.variables),
        tracing_enabled: Some(stage.tracing),
        tags: some(&stage.tags),
        created_date: Some(stage.created_at),
        last_updated_date: Some(stage.updated_at),
        ..api::Stage::default()
    }
}
