//! Who may call a method: IAM, user pools, Lambda authorizers, nobody in particular; each combined with the API's resource
//! policy as the developer guide's tables say.
//!
//! | method | resource policy |
//! |---|---|
//! | `NONE` | must allow, if there is one |
//! | `AWS_IAM` | own account: either allows; another account: both must; a deny in either wins |
//! | `COGNITO_USER_POOLS` | after authentication it alone must allow, if there is one |
//! | Lambda authorizer | a deny in it ends before the function is called; then either allows, a deny in either wins |
//!
//! Refuses to know what is behind the method.

use std::sync::Arc;

use casemate_jose::{KeySource, PoolKeys};
use casemate_kernel::{
    Ask, Caller, Env, Exchange, Fault, FaultKind, ResourcePolicy,
    policy::{Decision, Verdict},
};
use casemate_names::Arn;
use casemate_schema::Protocol;
use serde_json::{Map, Value};

use crate::{
    arrived::Arrived,
    authorizer::{
        cache::{Cache, CacheKey},
        cognito::{Demand, Disbelieved},
        lambda::{self, Grant, NoGrant},
    },
    definition::{Authorization, AuthorizerKind, Method},
    event::{Identity, Signer, authorizer_event, token_event},
    invocation::Invocation,
    plan::{CompiledAuthorizer, Plan},
    refusal::Refusal,
    resource,
    template::{Place, Reference, Values},
};

/// What admission needs besides the request.
pub(crate) struct Gatekeeper<'a> {
    pub(crate) env: &'a Env,
    pub(crate) keys: &'a Arc<dyn KeySource>,
    pub(crate) cache: &'a Cache,
    pub(crate) plan: &'a Plan,
    pub(crate) arrived: &'a Arrived,
}

impl Gatekeeper<'_> {
    /// Admits the request or refuses it.
    pub(crate) async fn admit(&self, exchange: &mut Exchange, method: &Method) -> Result<Identity, Refusal> {
        match method.authorization {
            Authorization::None => {
                exchange.record().identified(&Caller::Anonymous, None);
                self.by_resource_policy(exchange, &Caller::Anonymous)?;
                Ok(Identity::default())
            }
            Authorization::Iam => self.by_signature(exchange),
            Authorization::Cognito => self.by_user_pool(exchange, method),
            Authorization::Custom => self.by_function(exchange, method).await,
        }
    }

    fn ask(&self) -> Ask {
        Ask::on(ACTION, self.arrived.method_arn())
    }

    /// The resource policy alone must allow, if there is one.
    fn by_resource_policy(&self, exchange: &mut Exchange, caller: &Caller) -> Result<(), Refusal> {
        let Some(policy) = &self.plan.policy else { return Ok(()) };
        let decision = self.decide(exchange, caller, policy)?;
        if decision.is_allowed() { Ok(()) } else { Err(self.denied(caller, &decision)) }
    }

    fn decide(
        &self,
        exchange: &mut Exchange,
        caller: &Caller,
        policy: &ResourcePolicy,
    ) -> Result<Decision, Refusal> {
        exchange.decide(caller, &self.ask(), Some(policy)).map_err(|fault| broken(&fault))
    }

    fn denied(&self, caller: &Caller, decision: &Decision) -> Refusal {
        let explicitly = decision.verdict == Verdict::ExplicitDeny;
        let who =
            if matches!(caller, Caller::Bearer { .. }) { "anonymous".to_owned() } else { caller.arn_text() };
        Refusal::not_authorized(&who, &self.arrived.method_arn(), explicitly)
    }

    fn by_signature(&self, exchange: &mut Exchange) -> Result<Identity, Refusal> {
        let caller = exchange.identify("execute-api").map_err(|fault| match fault.kind() {
            FaultKind::Unauthenticated(_) => {
                let (code, _) = fault.code(Protocol::RestJson, "");
                Refusal::invalid_signature(code, &fault.message_for(Protocol::RestJson))
            }
            _ => broken(&fault),
        })?;
        if matches!(caller, Caller::Anonymous) {
            return Err(Refusal::missing_authentication_token("the request is not signed"));
        }
        let decision = exchange.decide(&caller, &self.ask(), self.plan.policy.as_ref());
        let decision = decision.map_err(|fault| broken(&fault))?;
        if !decision.is_allowed() {
            return Err(self.denied(&caller, &decision));
        }
        let access_key_id = access_key_of(exchange);
        Ok(Identity { signer: Some(Signer { caller, access_key_id }), authorizer: None })
    }

    fn by_user_pool(&self, exchange: &mut Exchange, method: &Method) -> Result<Identity, Refusal> {
        let compiled = self.authorizer(method, &[AuthorizerKind::Cognito])?;
        let default = [Reference::PlacedParameter(Place::Header, "Authorization".to_owned())];
        let sources = if compiled.sources.is_empty() { &default[..] } else { &compiled.sources };
        let presented = lambda::identity(sources, &self.arrived.values());
        let token = presented.as_deref().and_then(<[String]>::first);
        let token = token.ok_or_else(|| Refusal::unauthorized("there is no token"))?;
        let pools: Vec<(Arn, PoolKeys)> =
            compiled.pools.iter().filter_map(|pool| Some((pool.clone(), self.keys.keys(pool)?))).collect();
        let demand = Demand {
            pools: &pools,
            scopes: &method.authorization_scopes,
            audience: compiled.validation.as_ref(),
            now: self.arrived.now,
        };
        let accepted = demand.judge(token).map_err(|error| match error {
            Disbelieved::Expired => Refusal::token_expired(),
            Disbelieved::Unfit(why) => Refusal::unauthorized(why),
        })?;
        let caller = Caller::Bearer { issuer: accepted.pool, subject: accepted.subject, facts: Vec::new() };
        exchange.record().identified(&caller, None);
        self.by_resource_policy(exchange, &caller)?;
        let claims = accepted.claims.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        let authorizer = Map::from_iter([("claims".to_owned(), Value::Object(claims))]);
        Ok(Identity { authorizer: Some(authorizer), signer: None })
    }

    async fn by_function(&self, exchange: &mut Exchange, method: &Method) -> Result<Identity, Refusal> {
        let compiled = self.authorizer(method, &[AuthorizerKind::Token, AuthorizerKind::Request])?;
        if let Some(policy) = &self.plan.policy {
            let decision = self.decide(exchange, &Caller::Anonymous, policy)?;
            if decision.verdict == Verdict::ExplicitDeny {
                return Err(self.denied(&Caller::Anonymous, &decision));
            }
        }
        let asked_at = self.env.clock.now();
        let grant = self.grant(exchange, compiled).await?;
        let latency_ms = self.env.clock.now() - asked_at;
        let api = format!("/restapis/{}/authorizers/{}", self.arrived.api_id, compiled.authorizer.id);
        let caller = Caller::Bearer {
            issuer: resource::arn(&self.arrived.scope, &api),
            subject: grant.principal_id.clone(),
            facts: Vec::new(),
        };
        exchange.record().identified(&caller, None);
        let said = exchange.weigh(&caller, &self.ask(), &grant.policy).map_err(|fault| broken(&fault))?;
        match (said.verdict, &self.plan.policy) {
            (Verdict::Allow, _) => {}
            (Verdict::ExplicitDeny, _) => return Err(Refusal::access_denied(true)),
            (Verdict::ImplicitDeny, Some(policy)) if self.decide(exchange, &caller, policy)?.is_allowed() => {
            }
            (Verdict::ImplicitDeny, _) => return Err(Refusal::access_denied(false)),
        }
        let mut authorizer: Map<String, Value> =
            grant.context.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        authorizer.insert("principalId".to_owned(), grant.principal_id.as_str().into());
        authorizer.insert("integrationLatency".to_owned(), latency_ms.into());
        Ok(Identity { authorizer: Some(authorizer), signer: None })
    }

    /// What the function says of this identity, now or lately.
    async fn grant(&self, exchange: &Exchange, compiled: &CompiledAuthorizer) -> Result<Arc<Grant>, Refusal> {
        let values = self.arrived.values();
        let (identity, event) = self.question(compiled, &values)?;
        let authorizer = &compiled.authorizer;
        let ask = || async {
            let answer = self.call(exchange, compiled, &event).await?;
            lambda::answer(&answer.payload, answer.failed, &authorizer.name).map_err(|error| match error {
                NoGrant::Unauthorized => Refusal::unauthorized("the authorizer said so"),
                NoGrant::Broken(why) => Refusal::authorizer_misconfigured(why),
            })
        };
        let ttl_s = i64::from(authorizer.result_ttl_s);
        if ttl_s == 0 || identity.is_empty() {
            return ask().await.map(Arc::new);
        }
        let (api, stage) = (self.arrived.api_id.as_str(), self.arrived.stage.as_str());
        // The deployment stands for the authorizer's configuration: every change of it is a new one.
        let parts = [api, stage, self.arrived.deployment_id.as_str(), authorizer.id.as_str()];
        let key = CacheKey::of(parts.into_iter().chain(identity.iter().map(String::as_str)));
        self.cache.get(key, (api, stage), (self.arrived.now, ttl_s), ask).await
    }

    /// The identity presented (empty if it must not be cached by) and the function's event.
    fn question(
        &self,
        compiled: &CompiledAuthorizer,
        values: &Values,
    ) -> Result<(Vec<String>, Value), Refusal> {
        let presented = lambda::identity(&compiled.sources, values);
        let missing = || Refusal::unauthorized("an identity source is missing");
        if compiled.authorizer.kind == AuthorizerKind::Token {
            let identity = presented.ok_or_else(missing)?;
            let token = identity.first().ok_or_else(missing)?;
            if compiled.validation.as_ref().is_some_and(|expression| !expression.is_match(token)) {
                return Err(Refusal::unauthorized("the token does not match the validation expression"));
            }
            let event = token_event(self.arrived, token);
            return Ok((identity, event));
        }
        let event = authorizer_event(self.arrived);
        // AWS: without caching the sources are not demanded.
        match presented {
            Some(identity) => Ok((identity, event)),
            None if compiled.authorizer.result_ttl_s == 0 => Ok((Vec::new(), event)),
            None => Err(missing()),
        }
    }

    async fn call(
        &self,
        exchange: &Exchange,
        compiled: &CompiledAuthorizer,
        event: &Value,
    ) -> Result<crate::invocation::Invoked, Refusal> {
        let authorizer = &compiled.authorizer;
        let resource = format!("{}/authorizers/{}", self.arrived.api_id, authorizer.id);
        let invocation = Invocation {
            uri: authorizer.uri.as_deref().unwrap_or_default(),
            credentials: authorizer.credentials.as_deref(),
            // AWS: functions that are authorizers are called for `…:api/authorizers/id`.
            source: Arn::regional(&self.arrived.scope, "execute-api", &resource),
            stage_variables: &self.arrived.stage_variables,
            timeout_ms: TIMEOUT_MS,
        };
        let answer = invocation.run(exchange, event).await;
        answer.map_err(|error| Refusal::authorizer_misconfigured(format!("the authorizer: {error:?}")))
    }

    fn authorizer(&self, method: &Method, kinds: &[AuthorizerKind]) -> Result<&CompiledAuthorizer, Refusal> {
        let found = self.plan.authorizer(method).filter(|found| kinds.contains(&found.authorizer.kind));
        found.ok_or_else(|| Refusal::authorizer_misconfigured("the method's authorizer is not there"))
    }
}

/// The key that signed, for the event. Only read after the signature was verified.
fn access_key_of(exchange: &Exchange) -> Option<String> {
    let head = exchange.head();
    let in_header =
        head.header("authorization").and_then(|text| text.split_once("Credential=")).map(|(_, r)| r);
    let in_query = || head.query().split_once("X-Amz-Credential=").map(|(_, rest)| rest);
    let credential = in_header.or_else(in_query)?;
    credential.split(['/', '%', ',']).next().map(str::to_owned)
}

fn broken(fault: &Fault) -> Refusal {
    Refusal::api_configuration(fault.to_string())
}

/// What every request to a deployed API asks for.
const ACTION: &str = "execute-api:Invoke";
/// AWS: longest time of an integration, hence of an authorizer's function.
const TIMEOUT_MS: u64 = 29_000;
