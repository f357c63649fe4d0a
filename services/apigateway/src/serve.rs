//! The data plane: one request to a deployed API from its first to its last step.
//!
//! ```text
//! address ─▶ limits ─▶ stage ─▶ route ─▶ throttle ─▶ admit ─▶ validate ─▶ integrate ─▶ answer
//!    └────────────────────── any step may refuse: a gateway response ────────────────┘
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use casemate_jose::KeySource;
use casemate_kernel::{BoxFuture, DataPlane, Env, Exchange, Fault, Outgoing};
use casemate_names::{AccountId, alphanumeric, hex_id};
use casemate_wire::Head;
use http::HeaderValue;

use crate::{
    address::Address,
    admission::Gatekeeper,
    api::Error,
    arrived::{Arrived, decoded_query, shown_headers},
    authorizer::cache::Cache,
    definition::{Authorization, Integration, IntegrationKind, Method, Resource},
    event::{Identity, proxy_event, template_context},
    invocation::{Invocation, NotInvoked},
    mock::{Asked, Mock},
    path::RequestPath,
    plan::Plan,
    proxy_response::{Malformed, ProxyResponse},
    refusal::Refusal,
    route, rows,
    throttle::{Key, Limit, Throttle},
    validation,
};

/// A stage's method settings.
type Settings = BTreeMap<String, rows::MethodSetting>;

/// Serves deployed APIs.
pub(crate) struct Plane {
    env: Env,
    keys: Arc<dyn KeySource>,
    cache: Arc<Cache>,
    throttle: Throttle,
    /// Compiled deployments by API and deployment. Deployments never change, so nothing is ever stale.
    plans: Mutex<HashMap<(String, String), Arc<Plan>>>,
}

/// What is known of a request so far, for the gateway's own answers.
#[derive(Default)]
struct Seen {
    plan: Option<Arc<Plan>>,
    arrived: Option<Arrived>,
}

impl DataPlane for Plane {
    fn matches(&self, head: &Head) -> bool {
        Address::of(head).is_some()
    }

    fn owner(&self, head: &Head) -> Result<Option<AccountId>, Fault> {
        let Some(address) = Address::of(head) else { return Ok(None) };
        let key = rows::owner_key(address.api_id);
        let owner = self.env.store.read(|tx| tx.get::<rows::Owner>(&key).map_err(Fault::from))?;
        Ok(owner.map(|owner| owner.scope.account))
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(self.answer(exchange))
    }
}

impl Plane {
    pub(crate) fn new(env: Env, keys: Arc<dyn KeySource>, cache: Arc<Cache>) -> Self {
        Self { env, keys, cache, throttle: Throttle::default(), plans: Mutex::default() }
    }

    async fn answer(&self, exchange: &mut Exchange) -> Outgoing {
        let extended = format!("{}=", alphanumeric(&*self.env.entropy, "apigateway.extended-request-id", 15));
        let mut seen = Seen::default();
        let outcome = self.steps(exchange, &extended, &mut seen).await;
        let mut outgoing = outcome.unwrap_or_else(|refusal| {
            exchange.record().detail(refusal.why.clone());
            let values = seen.arrived.as_ref().map(Arrived::values).unwrap_or_default();
            let none = BTreeMap::new();
            let customised = seen.plan.as_ref().map_or(&none, |plan| &plan.definition.gateway_responses);
            refusal.answer(customised, values)
        });
        for (name, value) in
            [("x-amzn-requestid", exchange.request_id.as_str()), ("x-amz-apigw-id", &extended)]
        {
            if let Ok(value) = HeaderValue::from_str(value) {
                outgoing.headers.insert(name, value);
            }
        }
        outgoing
    }

    async fn steps(
        &self,
        exchange: &mut Exchange,
        extended: &str,
        seen: &mut Seen,
    ) -> Result<Outgoing, Refusal> {
        within_limits(exchange)?;
        let (plan, mut arrived, settings) = self.arrive(exchange, extended)?;
        let plan = &*seen.plan.insert(plan);
        let path = RequestPath::parse(&arrived.path);
        let matched = path.as_ref().and_then(|path| plan.routes.find(path));
        arrived.canonical_path = path.map(|path| path.canonical()).unwrap_or_default();
        let resource = matched.as_ref().and_then(|m| plan.definition.resources.get(&m.resource_id));
        if let (Some(matched), Some(resource)) = (matched, resource) {
            arrived.resource_path = plan.definition.path(resource);
            arrived.resource_id = matched.resource_id;
            arrived.path_parameters = matched.parameters;
        }
        let arrived = &*seen.arrived.insert(arrived);
        let method = resource.and_then(|resource| route::method(resource, &arrived.method));
        self.within_rate(arrived, method.is_some(), resource, &settings)?;
        let method = method.ok_or_else(|| Refusal::missing_authentication_token("no method matches"))?;
        // AWS: a method ARN of more than 1,600 bytes is refused where authorization is on.
        if method.authorization != Authorization::None && arrived.method_arn().as_str().len() > ARN_BYTES_MAX
        {
            return Err(Refusal::uri_too_long());
        }
        let gatekeeper = Gatekeeper { env: &self.env, keys: &self.keys, cache: &self.cache, plan, arrived };
        let identity = Box::pin(gatekeeper.admit(exchange, method)).await?;
        validate(plan, method, arrived)?;
        Box::pin(integrate(&self.env, exchange, plan, method, arrived, &identity)).await
    }

    /// Finds the stage and its deployment, and gathers the request's facts.
    fn arrive(&self, exchange: &Exchange, extended: &str) -> Result<(Arc<Plan>, Arrived, Settings), Refusal> {
        let head = exchange.head();
        let address = Address::of(head).ok_or_else(|| Refusal::forbidden("this is no address of an API"))?;
        let api_id = address.api_id.to_owned();
        let found = self.env.store.read(|tx| {
            let Some(owner) = tx.get::<rows::Owner>(&rows::owner_key(&api_id))? else { return Ok(None) };
            let key = rows::part_key(&owner.scope, &api_id, address.stage);
            Ok::<_, Error>(tx.get::<rows::Stage>(&key)?.map(|stage| (owner.scope, stage)))
        });
        let found = found.map_err(|_| Refusal::api_configuration("the store cannot be read"))?;
        let (scope, stage) = found.ok_or_else(|| Refusal::forbidden("there is no such API or stage"))?;
        let plan = self.plan(&scope, &api_id, &stage.deployment_id)?;
        // AWS: a closed default endpoint answers Forbidden.
        if plan.definition.disable_execute_api_endpoint {
            return Err(Refusal::forbidden("the default endpoint of this API is closed"));
        }
        let source_ip = exchange.peer().source_ip();
        let entropy = &*self.env.entropy;
        let host = head.host().unwrap_or_default();
        let (domain_name, port) = host.split_once(':').unwrap_or((host, ""));
        let (scheme, usual) = if exchange.peer().is_secure() { ("https", "443") } else { ("http", "80") };
        let port = if port.is_empty() { usual } else { port };
        let arrived = Arrived {
            scope,
            api_id,
            stage: stage.name,
            deployment_id: stage.deployment_id,
            stage_variables: stage.variables,
            method: head.method.as_str().to_owned(),
            path: if address.path.is_empty() { "/".to_owned() } else { address.path.to_owned() },
            canonical_path: String::new(),
            query: decoded_query(head.query()),
            headers: shown_headers(&head.headers),
            body: exchange.body().clone(),
            domain_name: domain_name.to_owned(),
            transport: (scheme, port.to_owned()),
            source_ip: source_ip.map_or_else(String::new, |ip| ip.to_canonical().to_string()),
            user_agent: head.header("user-agent").map(str::to_owned),
            protocol: "HTTP/1.1",
            request_id: exchange.request_id.as_str().to_owned(),
            extended_request_id: extended.to_owned(),
            trace_id: format!(
                "Root=1-{:08x}-{}",
                exchange.now.seconds(),
                hex_id(entropy, "apigateway.trace", 24)
            ),
            now: exchange.now,
            resource_id: String::new(),
            resource_path: String::new(),
            path_parameters: BTreeMap::new(),
        };
        Ok((plan, arrived, stage.method_settings))
    }

    /// Counts the request against the method's limit and the account's, before anybody is asked who it is from.
    // AWS: the stage's method settings first, then the account; requests without identity are counted, too.
    fn within_rate(
        &self,
        arrived: &Arrived,
        is_routed: bool,
        resource: Option<&Resource>,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let mut wanted = Vec::with_capacity(2);
        if let Some(resource) = resource.filter(|_| is_routed) {
            let own = resource.methods.contains_key(&arrived.method);
            let verb = if own { arrived.method.as_str() } else { "ANY" };
            if let Some(limit) = Limit::of_method(settings, &arrived.resource_path, verb) {
                let key = [arrived.api_id.as_str(), arrived.stage.as_str(), resource.id.as_str(), verb];
                wanted.push((Key::Method(key.map(str::to_owned)), limit));
            }
        }
        wanted.push((Key::Account(arrived.scope.clone()), Limit::account()));
        self.throttle.take(&wanted, arrived.now).map_err(|empty| match empty {
            Key::Method(_) => Refusal::throttled("the method's limit on this stage is reached"),
            Key::Account(_) => Refusal::throttled("the account's limit is reached"),
        })
    }

    /// The compiled deployment.
    fn plan(&self, scope: &casemate_names::Scope, api_id: &str, id: &str) -> Result<Arc<Plan>, Refusal> {
        let key = (api_id.to_owned(), id.to_owned());
        if let Some(plan) = self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(plan));
        }
        let row = self.env.store.read(|tx| rows::deployment(tx, scope, api_id, id));
        let row = row.map_err(|_| Refusal::api_configuration("the stage's deployment is not there"))?;
        let plan = Plan::compile(scope, api_id, row.definition).map_err(Refusal::api_configuration)?;
        let plan = Arc::new(plan);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= PLANS_MAX
            && let Some(any) = plans.keys().next().cloned()
        {
            plans.remove(&any);
        }
        plans.insert(key, Arc::clone(&plan));
        Ok(plan)
    }
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane").finish_non_exhaustive()
    }
}

fn within_limits(exchange: &Exchange) -> Result<(), Refusal> {
    let head = exchange.head();
    if head.path().len() + head.query().len() > TARGET_BYTES_MAX {
        return Err(Refusal::uri_too_long());
    }
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(Refusal::headers_too_large());
    }
    if exchange.body().len() > BODY_BYTES_MAX { Err(Refusal::request_too_large()) } else { Ok(()) }
}

fn validate(plan: &Plan, method: &Method, arrived: &Arrived) -> Result<(), Refusal> {
    let Some(id) = &method.request_validator_id else { return Ok(()) };
    // A validator that is gone must not let anything pass.
    let validator = plan.definition.validators.get(id);
    let validator =
        validator.ok_or_else(|| Refusal::api_configuration("the method's validator is not there"))?;
    if validator.parameters {
        validation::check_parameters(&method.request_parameters, &arrived.values())?;
    }
    if validator.body {
        plan.models.check_body(&method.request_models, &arrived.media_type(), &arrived.body)?;
    }
    Ok(())
}

async fn integrate(
    env: &Env,
    exchange: &Exchange,
    plan: &Arc<Plan>,
    method: &Method,
    arrived: &Arrived,
    identity: &Identity,
) -> Result<Outgoing, Refusal> {
    let integration = method.integration.as_ref().ok_or_else(no_integration)?;
    match integration.kind {
        IntegrationKind::Mock => mocked(env, plan, arrived, identity).await,
        IntegrationKind::LambdaProxy => proxy(exchange, plan, integration, arrived, identity).await,
    }
}

/// Answers from templates: on the pool for heavy work, unless they only copy text.
async fn mocked(
    env: &Env,
    plan: &Arc<Plan>,
    arrived: &Arrived,
    identity: &Identity,
) -> Result<Outgoing, Refusal> {
    let place = (arrived.resource_id.clone(), arrived.method.clone());
    let plain = plan.mock(&place.0, &place.1).is_some_and(Mock::is_plain);
    let mut values = arrived.values();
    for (name, value) in identity.authorizer.iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        values.context.insert(format!("authorizer.{name}"), text);
    }
    let headers: BTreeMap<String, String> = arrived.headers.iter().cloned().collect();
    let (media_type, context) = (arrived.media_type(), template_context(arrived, identity));
    let accept = arrived.header("accept").unwrap_or_default().to_owned();
    let (plan, body) = (Arc::clone(plan), arrived.body.clone());
    let answer = move || {
        let mock = plan.mock(&place.0, &place.1).ok_or_else(no_integration)?;
        mock.answer(&Asked {
            media_type: &media_type,
            accept: &accept,
            body: &String::from_utf8_lossy(&body),
            headers: &headers,
            values: &values,
            context: &context,
        })
    };
    if plain {
        return answer();
    }
    let answered = env.heavy.run(answer).await;
    answered.unwrap_or_else(|fault| Err(Refusal::api_configuration(fault.to_string())))
}

fn no_integration() -> Refusal {
    Refusal::api_configuration("the method has no integration")
}

async fn proxy(
    exchange: &Exchange,
    plan: &Plan,
    integration: &Integration,
    arrived: &Arrived,
    identity: &Identity,
) -> Result<Outgoing, Refusal> {
    let types = &plan.definition.binary_media_types;
    let event = proxy_event(arrived, identity, Arrived::is_binary(types, &arrived.media_type()));
    let invocation = Invocation {
        uri: integration.uri.as_deref().unwrap_or_default(),
        credentials: integration.credentials.as_deref(),
        source: arrived.source_arn(),
        stage_variables: &arrived.stage_variables,
        timeout_ms: u64::try_from(integration.timeout_ms).unwrap_or_default(),
    };
    let answer = invocation.run(exchange, &event).await.map_err(|error| match error {
        // AWS: a function the gateway may not call is a fault of the API's configuration (500), any other failure of
        // Lambda is a bad gateway (502).
        NotInvoked::Misconfigured(why) => Refusal::api_configuration(why),
        NotInvoked::Denied(why) => Refusal::api_configuration(why),
        NotInvoked::TooLarge => Refusal::request_too_large(),
        NotInvoked::Failed(why) => Refusal::integration_failure(why),
        NotInvoked::TimedOut => Refusal::integration_timeout(),
    })?;
    if answer.failed {
        return Err(Refusal::integration_failure("the function failed"));
    }
    // AWS: the first value of Accept decides whether the answer is binary.
    let accepted = arrived.header("accept").unwrap_or_default();
    let accepted = accepted.split([',', ';']).next().unwrap_or_default().trim();
    let binary = Arrived::is_binary(types, accepted);
    let response = ProxyResponse::parse(&answer.payload, binary).map_err(|error| match error {
        Malformed::Contract(why) => Refusal::integration_failure(why),
        Malformed::Base64 => Refusal::api_configuration("the body is not base64"),
    })?;
    let ProxyResponse { status, mut headers, body } = response;
    if let Ok(trace) = HeaderValue::from_str(&arrived.trace_id) {
        headers.insert("x-amzn-trace-id", trace);
    }
    Ok(Outgoing::of(status, headers, body))
}

/// AWS: API Gateway quotas: payload, headers together, URL of a regional API, method ARN.
const BODY_BYTES_MAX: usize = 10 << 20;
const HEADER_BYTES_MAX: usize = 10_240;
const TARGET_BYTES_MAX: usize = 10_240;
const ARN_BYTES_MAX: usize = 1_600;
/// Ours: compiled deployments kept in memory.
const PLANS_MAX: usize = 256;
