//! API Gateway, REST APIs (version 1).
//!
//! - A **RestApi** is a tree of resources with methods, each with an integration; authorizers, request validators, models
//!   and gateway responses belong to it. A **Deployment** is an immutable snapshot of all that, a **Stage** the name under
//!   which one deployment is served. Changes reach nobody until they are deployed.
//! - The control plane are ordinary operations; IAM actions are the HTTP verbs on `/restapis/…` paths.
//! - The data plane (`serve`) takes a request through route → authorization → validation → integration, or answers with
//!   the gateway's own response. Functions are called through the kernel's gate, so their resource policies are asked
//!   every time.
//!
//! Knows nothing of functions, pools and identities beyond what the gate and the key source tell.
//!
//! DIVERGES: integrations are Lambda proxy and MOCK; AWS, HTTP, HTTP_PROXY and VPC links are refused when they are put.
//! DIVERGES: API keys, usage plans, caching, canaries, custom domains, client certificates, access logs and
//! imports of OpenAPI documents are not there; what asks for them is refused. Tracing and the role for logs are kept and
//! shown, and do nothing.
//! DIVERGES: patterns in models are those of a linear-time engine: look-around and back references are refused.
//! DIVERGES: `X-HTTP-Method-Override` does not change the verb.

#[rustfmt::skip]
pub mod api;
mod address;
mod admission;
mod arrived;
mod authorizer;
mod checks;
mod definition;
mod event;
mod invocation;
mod loose_json;
mod mock;
mod ops;
mod page;
mod passing;
mod patch;
mod path;
mod plan;
mod proxy_response;
mod refusal;
mod resource;
mod route;
mod rows;
mod schema_cost;
mod serve;
mod template;
mod throttle;
mod validation;
mod velocity;
mod view;

use std::sync::Arc;

use casemate_jose::KeySource;
use casemate_kernel::{
    Access, Assembly, Caller, DataPlane, Env, Fault, Proof, ResourceAccount, ResourcePolicy, Service,
};
use casemate_names::{Arn, Scope, Timestamp};

use api::Error;
use authorizer::cache::Cache;
use definition::RestApi;

/// The service.
#[derive(Debug)]
pub struct ApiGateway {
    env: Env,
    cache: Arc<Cache>,
}

/// Opens the service. `keys` are those of the user pools that authorizers may name.
pub fn open(env: &Env, keys: Arc<dyn KeySource>) -> Result<Assembly, Fault> {
    let cache = Arc::new(Cache::default());
    let service = Arc::new(ApiGateway { env: env.clone(), cache: Arc::clone(&cache) });
    let plane: Arc<dyn DataPlane> = Arc::new(serve::Plane::new(env.clone(), keys, cache));
    Ok(Assembly { operations: ops::operations(&service), data_planes: vec![plane], ..Assembly::default() })
}

impl ApiGateway {
    /// Where a caller's resources are, before admission.
    fn scope(&self, caller: &Caller) -> Scope {
        caller.account().map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account))
    }

    /// Asks for one of the HTTP verbs on a path of the control plane.
    fn on(&self, action: &'static str, caller: &Caller, path: &str) -> Access {
        Access::Iam(vec![passing::ask(action, resource::arn(&self.scope(caller), path))])
    }

    /// Reads an API of the caller's.
    fn rest_api(&self, scope: &Scope, api_id: &str) -> Result<RestApi, Error> {
        self.env.store.read(|tx| rows::rest_api(tx, scope, api_id))
    }

    /// Changes an API in one transaction. `change` may run twice.
    async fn edit<R: Send + 'static>(
        &self,
        scope: &Scope,
        api_id: &str,
        change: impl Fn(&mut RestApi) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let (scope, api_id) = (scope.clone(), api_id.to_owned());
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let mut api = rows::rest_api(tx, &scope, &api_id)?;
            let result = change(&mut api)?;
            tx.put(&rows::api_key(&scope, &api_id), &api)?;
            Ok(result)
        };
        self.env.store.write(write).await
    }

    /// A fresh id: ten letters and digits for APIs and authorizers, six for what is inside.
    fn id(&self, purpose: &'static str, length: usize) -> String {
        casemate_names::lower_alphanumeric(&*self.env.entropy, purpose, length)
    }
}

impl Service for ApiGateway {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["apigateway", "execute-api"];

    const VALIDATION_CODE: &'static str = "BadRequestException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        Err(Error::bad_request_exception("there are no in-band proofs here"))
    }

    /// Resource policies of APIs are part of their deployments: the data plane has them.
    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    /// ARNs of APIs name no account: an id means the API of whoever asks.
    fn resource_account(&self, _arn: &Arn) -> Result<ResourceAccount, Error> {
        Ok(ResourceAccount::Callers)
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let Some(api_id) = resource::api_of(arn) else { return Ok(Vec::new()) };
        self.env.store.read(|tx| {
            let Some(owner) = tx.get::<rows::Owner>(&rows::owner_key(api_id))? else { return Ok(Vec::new()) };
            let found = match resource::tagged(&owner.scope, arn) {
                Some(resource::Tagged::Stage(_, name)) => {
                    let stage = tx.get::<rows::Stage>(&rows::part_key(&owner.scope, api_id, name))?;
                    stage.map(|stage| stage.tags)
                }
                _ => tx.get::<RestApi>(&rows::api_key(&owner.scope, api_id))?.map(|api| api.tags),
            };
            Ok(found.map_or_else(Vec::new, |tags| tags.into_iter().collect()))
        })
    }
}
