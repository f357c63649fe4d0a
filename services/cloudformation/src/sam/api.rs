//! `AWS::Serverless::Api`: an API with its paths, methods, authorizers, deployment and stage.

use std::collections::{BTreeMap, BTreeSet};

use casemate_names::{hex, sha256};

use super::{
    auth::{Auth, Guard},
    copy,
    cors::Cors,
    events::ApiEvent,
    known_text, only, tag_list,
};
use crate::{
    intrinsic::{Facts, function},
    template::{Node, Resource, TemplateError},
};

const PROPERTIES: &[&str] = &[
    "ApiKeySourceType",
    "Auth",
    "BinaryMediaTypes",
    "Cors",
    "Description",
    "DisableExecuteApiEndpoint",
    "EndpointConfiguration",
    "GatewayResponses",
    "MinimumCompressionSize",
    "Name",
    "OpenApiVersion",
    "StageName",
    "Tags",
    "TracingEnabled",
    "Variables",
];

/// Characters of the hash in a deployment's logical id. AWS: ten.
const HASH_LENGTH: usize = 10;

/// Expands one API with the routes that belong to it.
pub(super) fn expand(
    api: &Resource,
    events: &[&ApiEvent],
    facts: &Facts,
) -> Result<Vec<Resource>, TemplateError> {
    only(&api.properties, PROPERTIES, "AWS::Serverless::Api")?;
    let stage_node = api.properties.get("StageName");
    let stage_node = stage_node.ok_or_else(|| TemplateError::at(api.line, "StageName is required"))?;
    let stage = known_text(facts, stage_node, "StageName")?;
    let auth = Auth::of(api)?;
    let cors = api.properties.get("Cors").map(Cors::of).transpose()?;
    let mut made = vec![rest_api(api, &auth)?];
    made.extend(auth.resources(api));
    made.extend(gateway_responses(api)?);
    let mut builder = Builder { api, auth: &auth, made: Vec::new(), methods: BTreeMap::new() };
    for event in events {
        builder.route(event)?;
        builder.permission(event, stage_node, &stage);
    }
    if let Some(cors) = &cors {
        builder.preflights(cors)?;
    }
    made.extend(builder.made);
    let deployment = deployment(api, &made);
    made.push(stage_resource(api, stage_node, &stage, &deployment.logical_id));
    made.push(deployment);
    Ok(made)
}

/// Puts an API's paths and methods together.
struct Builder<'a> {
    api: &'a Resource,
    auth: &'a Auth,
    made: Vec<Resource>,
    /// Methods by path.
    methods: BTreeMap<String, Vec<String>>,
}

impl Builder<'_> {
    fn route(&mut self, event: &ApiEvent) -> Result<(), TemplateError> {
        let methods = self.methods.entry(event.path.clone()).or_default();
        if methods.contains(&event.method) {
            let text = format!(
                "API method \"{}\" defined multiple times for path \"{}\"",
                event.method.to_lowercase(),
                event.path
            );
            return Err(TemplateError::at(event.line, text).of(&event.function));
        }
        methods.push(event.method.clone());
        let guard = self.auth.guard(event.authorizer.as_deref(), event.line);
        let guard = guard.map_err(|error| error.of(&event.function))?;
        let mut properties = self.method(event.line, &event.path, &event.method, &guard);
        if let (Some(scopes), Guard::Authorizer(..)) = (&event.scopes, &guard) {
            properties.set("AuthorizationScopes", scopes.clone());
        }
        // AWS: with AutoPublishAlias, events lead to the alias; its `Ref` is its ARN.
        let target = event.alias.clone().unwrap_or_else(|| format!("{}.Arn", event.function));
        let uri = format!(
            "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{target}}}/invocations"
        );
        let line = event.line;
        let mut integration = Node::map(
            line,
            [
                ("Type", Node::text(line, "AWS_PROXY")),
                ("IntegrationHttpMethod", Node::text(line, "POST")),
                ("Uri", Node::substitution(line, uri)),
            ],
        );
        if let Some(credentials) = self.credentials(event, &guard) {
            integration.set("Credentials", credentials);
        }
        properties.set("Integration", integration);
        let id = method_id(&self.api.logical_id, &event.path, &event.method);
        self.push(id, line, "AWS::ApiGateway::Method", properties, event.condition.as_deref());
        Ok(())
    }

    /// AWS: behind AWS_IAM the caller's own credentials invoke the function, unless `InvokeRole` says otherwise.
    fn credentials(&self, event: &ApiEvent, guard: &Guard) -> Option<Node> {
        let given = event.invoke_role.as_ref().or(self.auth.invoke_role());
        match (given.and_then(Node::as_text), given, guard) {
            (Some("NONE"), ..) => None,
            (Some("CALLER_CREDENTIALS"), ..) | (_, None, Guard::Iam) => {
                Some(Node::text(event.line, crate::resource::caller_credentials()))
            }
            (_, given, _) => given.cloned(),
        }
    }

    fn preflights(&mut self, cors: &Cors) -> Result<(), TemplateError> {
        let guard = self.auth.preflight_guard()?;
        let paths: Vec<(String, Vec<String>)> =
            self.methods.iter().map(|(path, methods)| (path.clone(), methods.clone())).collect();
        for (path, methods) in paths.iter().filter(|(_, methods)| !methods.iter().any(|m| m == "OPTIONS")) {
            let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
            let (responses, integration) = cors.preflight(&methods);
            let mut properties = self.method(self.api.line, path, "OPTIONS", &guard);
            properties.set("MethodResponses", responses);
            properties.set("Integration", integration);
            let id = method_id(&self.api.logical_id, path, "OPTIONS");
            self.push(id, self.api.line, "AWS::ApiGateway::Method", properties, None);
        }
        Ok(())
    }

    /// A method's properties without integration; makes the path's resources.
    fn method(&mut self, line: u32, path: &str, method: &str, guard: &Guard) -> Node {
        let resource = self.path(line, path);
        let mut properties = Node::map(
            line,
            [
                ("HttpMethod", Node::text(line, method)),
                ("ResourceId", resource),
                ("RestApiId", Node::reference(line, &self.api.logical_id)),
            ],
        );
        match guard {
            Guard::Open => properties.set("AuthorizationType", Node::text(line, "NONE")),
            Guard::Iam => properties.set("AuthorizationType", Node::text(line, "AWS_IAM")),
            Guard::Authorizer(id, kind, scopes) => {
                properties.set("AuthorizationType", Node::text(line, *kind));
                properties.set("AuthorizerId", Node::reference(line, id));
                if let Some(scopes) = scopes {
                    properties.set("AuthorizationScopes", scopes.clone());
                }
            }
        }
        properties
    }

    /// The id of a path's resource; makes those on the way that are not there yet.
    fn path(&mut self, line: u32, path: &str) -> Node {
        let api = &self.api.logical_id;
        let mut parent = Node::attribute(line, api, "RootResourceId");
        let mut walked = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            walked.push('/');
            walked.push_str(part);
            let id = format!("{}Resource{}", self.api.logical_id, path_name(&walked));
            let properties = Node::map(
                line,
                [
                    ("ParentId", parent),
                    ("PathPart", Node::text(line, part)),
                    ("RestApiId", Node::reference(line, &self.api.logical_id)),
                ],
            );
            parent = Node::reference(line, &id);
            if !self.made.iter().any(|resource| resource.logical_id == id) {
                self.push(id, line, "AWS::ApiGateway::Resource", properties, None);
            }
        }
        parent
    }

    /// The function lets this API call it, on this route.
    fn permission(&mut self, event: &ApiEvent, stage_node: &Node, stage: &str) {
        let line = event.line;
        let method = if event.method == "ANY" { "*" } else { &event.method };
        let parts = event.path.split('/').map(|part| if part.starts_with('{') { "*" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let source = format!(
            "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{}}}/*/{method}{path}",
            self.api.logical_id
        );
        let properties = Node::map(
            line,
            [
                ("Action", Node::text(line, "lambda:InvokeFunction")),
                ("FunctionName", Node::reference(line, event.alias.as_ref().unwrap_or(&event.function))),
                ("Principal", Node::text(line, "apigateway.amazonaws.com")),
                ("SourceArn", Node::substitution(line, source)),
            ],
        );
        // AWS: the stage is part of the id only where it is written out.
        let suffix = if function(stage_node).is_some() { "" } else { stage };
        let safe: String = suffix.chars().filter(char::is_ascii_alphanumeric).collect();
        let id = format!("{}{}Permission{safe}", event.function, event.name);
        self.push(id, line, "AWS::Lambda::Permission", properties, event.condition.as_deref());
    }

    fn push(&mut self, id: String, line: u32, kind: &str, properties: Node, condition: Option<&str>) {
        let condition = condition.map(str::to_owned).or_else(|| self.api.condition.clone());
        self.made.push(Resource { condition, ..Resource::made(id, line, kind, properties) });
    }
}

fn rest_api(api: &Resource, auth: &Auth) -> Result<Resource, TemplateError> {
    let own = &api.properties;
    let mut properties = Node::map(api.line, []);
    copy(
        own,
        &mut properties,
        &[
            "ApiKeySourceType",
            "BinaryMediaTypes",
            "Description",
            "DisableExecuteApiEndpoint",
            "MinimumCompressionSize",
        ],
    );
    // AWS: without a name, the stack's.
    let name = own.get("Name").cloned().unwrap_or_else(|| Node::reference(api.line, "AWS::StackName"));
    properties.set("Name", name);
    if let Some(policy) = &auth.policy {
        properties.set("Policy", policy.clone());
    }
    if let Some(tags) = own.get("Tags") {
        properties.set("Tags", tag_list(tags));
    }
    if let Some(endpoint) = own.get("EndpointConfiguration") {
        properties.set("EndpointConfiguration", endpoint_configuration(endpoint)?);
    }
    let depends_on = api.depends_on.clone();
    Ok(Resource { kind: "AWS::ApiGateway::RestApi".to_owned(), properties, depends_on, ..api.clone() })
}

fn endpoint_configuration(node: &Node) -> Result<Node, TemplateError> {
    only(node, &["Type"], "EndpointConfiguration")?;
    let kind = if node.is_map() { node.get("Type").cloned() } else { Some(node.clone()) };
    let kind = kind.ok_or_else(|| TemplateError::at(node.line, "EndpointConfiguration needs Type"))?;
    Ok(Node::map(node.line, [("Types", Node::list(node.line, vec![kind]))]))
}

fn gateway_responses(api: &Resource) -> Result<Vec<Resource>, TemplateError> {
    let responses = api.properties.get("GatewayResponses").map_or(&[][..], Node::entries);
    responses
        .iter()
        .map(|entry| {
            only(&entry.node, &["ResponseParameters", "ResponseTemplates", "StatusCode"], &entry.key)?;
            let mut properties = Node::map(
                entry.line,
                [
                    ("ResponseType", Node::text(entry.line, &entry.key)),
                    ("RestApiId", Node::reference(entry.line, &api.logical_id)),
                ],
            );
            copy(&entry.node, &mut properties, &["ResponseTemplates", "StatusCode"]);
            if let Some(parameters) = entry.node.get("ResponseParameters") {
                properties.set("ResponseParameters", response_parameters(parameters)?);
            }
            let safe: String = entry.key.chars().filter(char::is_ascii_alphanumeric).collect();
            let id = format!("{}GatewayResponse{safe}", api.logical_id);
            let made = Resource::made(id, entry.line, "AWS::ApiGateway::GatewayResponse", properties);
            Ok(Resource { condition: api.condition.clone(), ..made })
        })
        .collect()
}

/// `{Headers: {X: v}}` as `{gatewayresponse.header.X: v}`.
fn response_parameters(node: &Node) -> Result<Node, TemplateError> {
    only(node, &["Headers", "Paths", "QueryStrings"], "ResponseParameters")?;
    let mut parameters = Vec::new();
    for (key, kind) in [("Headers", "header"), ("Paths", "path"), ("QueryStrings", "querystring")] {
        for entry in node.get(key).map_or(&[][..], Node::entries) {
            parameters.push((format!("gatewayresponse.{kind}.{}", entry.key), entry.node.clone()));
        }
    }
    Ok(Node::entries_of(node.line, parameters))
}

/// The deployment. Its id changes with everything it snapshots, so that a change is deployed.
fn deployment(api: &Resource, made: &[Resource]) -> Resource {
    let snapshot: Vec<serde_json::Value> = made
        .iter()
        .filter(|resource| resource.kind != "AWS::Lambda::Permission")
        .map(|resource| serde_json::json!([resource.logical_id, resource.properties.to_json()]))
        .collect();
    let hash = hex(&sha256(serde_json::Value::from(snapshot).to_string().as_bytes()));
    let hash: String = hash.chars().take(HASH_LENGTH).collect();
    let line = api.line;
    let properties = Node::map(
        line,
        [
            ("Description", Node::text(line, format!("RestApi deployment id: {hash}"))),
            ("RestApiId", Node::reference(line, &api.logical_id)),
        ],
    );
    let needed =
        ["AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse", "AWS::ApiGateway::Authorizer"];
    let depends_on: BTreeSet<String> = made
        .iter()
        .filter(|resource| needed.contains(&resource.kind.as_str()))
        .map(|resource| resource.logical_id.clone())
        .collect();
    let id = format!("{}Deployment{hash}", api.logical_id);
    let deployment = Resource::made(id, line, "AWS::ApiGateway::Deployment", properties);
    Resource { depends_on: depends_on.into_iter().collect(), condition: api.condition.clone(), ..deployment }
}

fn stage_resource(api: &Resource, stage_node: &Node, stage: &str, deployment: &str) -> Resource {
    let line = api.line;
    let mut properties = Node::map(
        line,
        [
            ("DeploymentId", Node::reference(line, deployment)),
            ("RestApiId", Node::reference(line, &api.logical_id)),
            ("StageName", stage_node.clone()),
        ],
    );
    copy(&api.properties, &mut properties, &["TracingEnabled", "Variables"]);
    // AWS: the stage's name is part of the id only where it is written out.
    let suffix = if function(stage_node).is_some() { "" } else { stage };
    let safe: String = suffix.chars().filter(char::is_ascii_alphanumeric).collect();
    let id = format!("{}{safe}Stage", api.logical_id);
    let made = Resource::made(id, line, "AWS::ApiGateway::Stage", properties);
    Resource { condition: api.condition.clone(), ..made }
}

fn method_id(api: &str, path: &str, method: &str) -> String {
    let mut letters = method.to_lowercase();
    if let Some(first) = letters.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    format!("{api}Method{}{letters}", path_name(path))
}

/// A path as part of a logical id: its words, and a hash where words alone could be another path's.
fn path_name(path: &str) -> String {
    let mut name = String::new();
    for part in path.split('/') {
        let mut letters = part.chars().filter(char::is_ascii_alphanumeric);
        if let Some(first) = letters.next() {
            name.push(first.to_ascii_uppercase());
            name.extend(letters);
        }
    }
    let plain = path.split('/').all(|part| {
        part.chars().all(|c| c.is_ascii_alphanumeric()) && !part.starts_with(|c: char| c.is_ascii_uppercase())
    });
    if !plain || path == "/" {
        let hash = hex(&sha256(path.as_bytes()));
        name.extend(hash.chars().take(6));
    }
    name
}
