//! API Gateway over the wire: the whole server in memory, functions by a stand-in.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test's helpers"
)]

mod authorizers;
mod control;
mod deployed;
mod functions;
mod goldens;
mod patches;
mod proxied;
mod refusals;
mod resource_policies;
mod signed;
mod throttled;
mod user_pools;

use std::{collections::BTreeMap, sync::Arc};

use casemate_jose::{KeySource, PoolKeys};
use casemate_kernel::TrustEdge;
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};
use http::Method;
use serde_json::{Value, json};

use functions::{Does, Functions};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const TRUST: &[TrustEdge] = &[TrustEdge { from: "apigateway", to: "lambda", operation: "Invoke" }];

/// User pools of a test.
#[derive(Debug, Default)]
struct Pools(BTreeMap<String, PoolKeys>);

impl KeySource for Pools {
    fn keys(&self, pool: &Arn) -> Option<PoolKeys> {
        self.0.get(pool.as_str()).cloned()
    }
}

/// A world with somebody who may do everything, and functions.
struct Scene {
    world: World,
    admin: Credentials,
    functions: Arc<Functions>,
}

/// An API under construction.
struct Api {
    id: String,
    root: String,
}

impl Scene {
    fn new() -> Self {
        Self::with_pools(Pools::default())
    }

    fn with_pools(pools: Pools) -> Self {
        let functions = Arc::new(Functions::default());
        let world = WorldBuilder::new()
            .trust(TRUST)
            .service("lambda", "lambda.amazonaws.com", |_| Ok(functions.assembly()))
            .service("apigateway", "apigateway.amazonaws.com", |env| {
                casemate_apigateway::open(env, Arc::new(pools))
            })
            .start();
        let admin = world.identities().user("admin", &[ALLOW_ALL]);
        functions.set("echo", Does::Echoes);
        Self { world, admin, functions }
    }

    async fn call(&self, operation: &str, input: Value) -> Response {
        self.world.call(&self.admin, "apigateway", operation, document(input)).await
    }

    /// Calls an operation that must succeed.
    async fn done(&self, operation: &str, input: Value) -> Value {
        let answer = self.call(operation, input).await;
        assert!(answer.status.is_success(), "{operation}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// Calls an operation that must be refused: its code and message.
    async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let answer = self.call(operation, input).await;
        assert!(answer.status.is_client_error(), "{operation}: {} {}", answer.status, answer.text());
        (answer.code().expect("a code"), answer.message())
    }

    async fn api(&self) -> Api {
        let made = self.done("CreateRestApi", json!({"name": "a"})).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Api { id: text("id"), root: text("rootResourceId") }
    }

    /// The resource of a path, made where it is missing.
    async fn resource(&self, api: &Api, path: &str) -> String {
        let (mut parent, mut so_far) = (api.root.clone(), String::new());
        for part in path.split('/').filter(|part| !part.is_empty()) {
            so_far = format!("{so_far}/{part}");
            let all = self.done("GetResources", json!({"restApiId": api.id, "limit": 500})).await;
            let known = all["item"].as_array().unwrap().iter().find(|r| r["path"] == so_far).cloned();
            let found = if let Some(found) = known {
                found
            } else {
                let input = json!({"restApiId": api.id, "parentId": parent, "pathPart": part});
                self.done("CreateResource", input).await
            };
            found["id"].as_str().unwrap().clone_into(&mut parent);
        }
        parent
    }

    /// A method with a function behind it. `with` adds to the input of PutMethod.
    async fn proxy(&self, api: &Api, verb: &str, path: &str, with: Value, function: &str) -> String {
        let resource = self.method(api, verb, path, with).await;
        let input = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": verb, "type": "AWS_PROXY",
            "integrationHttpMethod": "POST", "uri": uri(function)});
        self.done("PutIntegration", input).await;
        resource
    }

    /// A method that answers 200 by itself.
    async fn mock(&self, api: &Api, verb: &str, path: &str, with: Value) -> String {
        let resource = self.method(api, verb, path, with).await;
        let method = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": verb});
        let mut integration = method.clone();
        integration["type"] = "MOCK".into();
        integration["requestTemplates"] = json!({"application/json": "{\"statusCode\": 200}"});
        self.done("PutIntegration", integration).await;
        let mut response = method;
        response["statusCode"] = "200".into();
        self.done("PutMethodResponse", response.clone()).await;
        self.done("PutIntegrationResponse", response).await;
        resource
    }

    async fn method(&self, api: &Api, verb: &str, path: &str, with: Value) -> String {
        let resource = self.resource(api, path).await;
        let mut input = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": verb,
            "authorizationType": "NONE"});
        for (name, value) in with.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        self.done("PutMethod", input).await;
        resource
    }

    /// Serves the API as it is now under `prod`.
    async fn deploy(&self, api: &Api) -> String {
        let made = self.done("CreateDeployment", json!({"restApiId": api.id, "stageName": "prod"})).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// A request to stage `prod`.
    #[expect(clippy::unused_self, reason = "reads as the other helpers do")]
    fn request(&self, api: &Api, method: Method, path: &str) -> Request {
        Request::new(method, &format!("/_aws/execute-api/{}/prod{path}", api.id))
    }

    async fn send(&self, request: Request) -> Response {
        self.world.send(&request).await
    }

    async fn get(&self, api: &Api, path: &str) -> Response {
        self.send(self.request(api, Method::GET, path)).await
    }
}

/// The URI under which API Gateway knows a function.
fn uri(function: &str) -> String {
    format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations",
        function_arn(function)
    )
}

fn function_arn(function: &str) -> String {
    format!("arn:aws:lambda:us-east-1:123456789012:function:{function}")
}

/// JSON as an operation's input.
fn document(value: Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(value) => value.into(),
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap().into(), Into::into),
        Value::String(text) => text.into(),
        Value::Array(items) => Document::List(items.into_iter().map(document).collect()),
        Value::Object(entries) => {
            Document::Map(entries.into_iter().map(|(name, value)| (name, document(value))).collect())
        }
    }
}

/// Status, body and error type of an answer of the gateway itself.
fn shown(answer: &Response) -> (u16, String, String) {
    let error_type = answer.headers.get("x-amzn-errortype").map_or("", |value| value.to_str().unwrap());
    (answer.status.as_u16(), answer.text(), error_type.to_owned())
}

fn expected(status: u16, body: &str, error_type: &str) -> (u16, String, String) {
    (status, body.to_owned(), error_type.to_owned())
}
