//! The `Auth` of an API: its authorizers, and which of them guards a route.

use super::only;
use crate::template::{Node, Resource, TemplateError, Value};

/// An API's `Auth`, taken apart.
#[derive(Debug, Default)]
pub(super) struct Auth {
    default: Option<String>,
    authorizers: Vec<Authorizer>,
    guards_preflight: bool,
    invoke_role: Option<Node>,
    /// `ResourcePolicy`, as a document.
    pub(super) policy: Option<Node>,
}

/// One authorizer.
#[derive(Debug)]
struct Authorizer {
    name: String,
    id: String,
    kind: &'static str,
    properties: Node,
    scopes: Option<Node>,
    /// The function it calls, where the gateway must be allowed to.
    calls: Option<Node>,
    line: u32,
}

/// What guards a route.
#[derive(Debug, Clone)]
pub(super) enum Guard {
    /// Nothing.
    Open,
    /// A signature.
    Iam,
    /// An authorizer: its logical id, the type of authorization, scopes.
    Authorizer(String, &'static str, Option<Node>),
}

/// Names that are no authorizers.
const IAM: &str = "AWS_IAM";
const NONE: &str = "NONE";

impl Auth {
    /// Reads the `Auth` of an API.
    pub(super) fn of(api: &Resource) -> Result<Self, TemplateError> {
        let Some(node) = api.properties.get("Auth") else { return Ok(Self::default()) };
        only(
            node,
            &[
                "AddDefaultAuthorizerToCorsPreflight",
                "Authorizers",
                "DefaultAuthorizer",
                "InvokeRole",
                "ResourcePolicy",
            ],
            "Auth",
        )?;
        let authorizers = node.get("Authorizers").map_or(&[][..], Node::entries);
        let auth = Self {
            default: node.get("DefaultAuthorizer").and_then(Node::scalar),
            authorizers: authorizers
                .iter()
                .map(|entry| Authorizer::of(api, &entry.key, &entry.node))
                .collect::<Result<_, _>>()?,
            // AWS: true unless it is said otherwise.
            guards_preflight: node
                .get("AddDefaultAuthorizerToCorsPreflight")
                .and_then(Node::scalar)
                .is_none_or(|text| !text.eq_ignore_ascii_case("false")),
            invoke_role: node.get("InvokeRole").cloned(),
            policy: node.get("ResourcePolicy").map(|policy| resource_policy(api, policy)).transpose()?,
        };
        auth.guard(None, node.line)?;
        Ok(auth)
    }

    /// What guards a route that names `authorizer`, or none.
    pub(super) fn guard(&self, authorizer: Option<&str>, line: u32) -> Result<Guard, TemplateError> {
        match authorizer.or(self.default.as_deref()) {
            None | Some(NONE) => Ok(Guard::Open),
            Some(IAM) => Ok(Guard::Iam),
            Some(name) => {
                let found = self.authorizers.iter().find(|authorizer| authorizer.name == name);
                let found = found.ok_or_else(|| {
                    TemplateError::at(line, format!("the API has no authorizer called {name}"))
                })?;
                Ok(Guard::Authorizer(found.id.clone(), found.kind, found.scopes.clone()))
            }
        }
    }

    /// What guards preflight requests.
    pub(super) fn preflight_guard(&self) -> Result<Guard, TemplateError> {
        if self.guards_preflight { self.guard(None, 0) } else { Ok(Guard::Open) }
    }

    /// The role that invokes functions behind AWS_IAM, unless a route says otherwise.
    pub(super) fn invoke_role(&self) -> Option<&Node> {
        self.invoke_role.as_ref()
    }

    /// The authorizers as plain resources, with the permissions they need.
    pub(super) fn resources(&self, api: &Resource) -> Vec<Resource> {
        let mut made = Vec::new();
        for authorizer in &self.authorizers {
            made.push(Resource {
                condition: api.condition.clone(),
                ..Resource::made(
                    &*authorizer.id,
                    authorizer.line,
                    "AWS::ApiGateway::Authorizer",
                    authorizer.properties.clone(),
                )
            });
            if let Some(function) = &authorizer.calls {
                made.push(permission(api, authorizer, function));
            }
        }
        made
    }
}

impl Authorizer {
    fn of(api: &Resource, name: &str, node: &Node) -> Result<Self, TemplateError> {
        let what = format!("authorizer {name}");
        let safe: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let id = format!("{}{safe}Authorizer", api.logical_id);
        let line = node.line;
        let mut properties = Node::map(
            line,
            [("Name", Node::text(line, name)), ("RestApiId", Node::reference(line, &api.logical_id))],
        );
        let empty = Node::map(line, []);
        let identity = node.get("Identity").unwrap_or(&empty);
        let mut calls = None;
        let kind = match (node.get("UserPoolArn"), node.get("FunctionArn")) {
            (Some(pools), None) => {
                only(node, &["UserPoolArn", "AuthorizationScopes", "Identity"], &what)?;
                only(
                    identity,
                    &["Header", "ValidationExpression", "ReauthorizeEvery"],
                    &format!("Identity of {what}"),
                )?;
                let pools =
                    if pools.is_list() { pools.clone() } else { Node::list(line, vec![pools.clone()]) };
                properties.set("ProviderARNs", pools);
                properties.set("Type", Node::text(line, "COGNITO_USER_POOLS"));
                properties.set("IdentitySource", header_source(identity, line));
                "COGNITO_USER_POOLS"
            }
            (None, Some(function)) => {
                only(
                    node,
                    &[
                        "AuthorizationScopes",
                        "DisableFunctionDefaultPermissions",
                        "FunctionArn",
                        "FunctionInvokeRole",
                        "FunctionPayloadType",
                        "Identity",
                    ],
                    &what,
                )?;
                function_authorizer(node, function, identity, &mut properties, &what)?;
                let wants_none = node
                    .get("DisableFunctionDefaultPermissions")
                    .and_then(Node::scalar)
                    .is_some_and(|text| text.eq_ignore_ascii_case("true"));
                calls = (!wants_none).then(|| function.clone());
                "CUSTOM"
            }
            _ => return Err(TemplateError::at(line, format!("{what} needs UserPoolArn or FunctionArn"))),
        };
        if let Some(expression) = identity.get("ValidationExpression") {
            properties.set("IdentityValidationExpression", expression.clone());
        }
        if let Some(ttl) = identity.get("ReauthorizeEvery") {
            properties.set("AuthorizerResultTtlInSeconds", ttl.clone());
        }
        let scopes = node.get("AuthorizationScopes").cloned();
        Ok(Self { name: name.to_owned(), id, kind, properties, scopes, calls, line })
    }
}

fn function_authorizer(
    node: &Node,
    function: &Node,
    identity: &Node,
    properties: &mut Node,
    what: &str,
) -> Result<(), TemplateError> {
    let line = node.line;
    let uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations";
    let own = Node::map(line, [("__FunctionArn__", function.clone())]);
    let uri = Node::list(line, vec![Node::text(line, uri), own]);
    properties.set("AuthorizerUri", Node::map(line, [("Fn::Sub", uri)]));
    if let Some(role) = node.get("FunctionInvokeRole").filter(|role| role.as_text() != Some(NONE)) {
        properties.set("AuthorizerCredentials", role.clone());
    }
    let known = [
        "Context",
        "Header",
        "Headers",
        "QueryStrings",
        "ReauthorizeEvery",
        "StageVariables",
        "ValidationExpression",
    ];
    only(identity, &known, &format!("Identity of {what}"))?;
    match node.get("FunctionPayloadType").and_then(Node::as_text).unwrap_or("TOKEN") {
        "TOKEN" => {
            properties.set("Type", Node::text(line, "TOKEN"));
            properties.set("IdentitySource", header_source(identity, line));
        }
        "REQUEST" => {
            properties.set("Type", Node::text(line, "REQUEST"));
            let source = request_source(identity)?;
            if !source.is_empty() {
                properties.set("IdentitySource", Node::text(line, source));
            }
        }
        other => {
            let text = format!("{what}: FunctionPayloadType must be TOKEN or REQUEST, not {other}");
            return Err(TemplateError::at(line, text));
        }
    }
    Ok(())
}

/// The header that carries a token. AWS: `Authorization` unless it is said otherwise.
fn header_source(identity: &Node, line: u32) -> Node {
    let header = identity.get("Header").and_then(Node::scalar).unwrap_or_else(|| "Authorization".to_owned());
    Node::text(line, format!("method.request.header.{header}"))
}

/// The sources of a request authorizer's identity, joined as the gateway takes them.
fn request_source(identity: &Node) -> Result<String, TemplateError> {
    let mut sources = Vec::new();
    for (key, prefix) in [
        ("Headers", "method.request.header."),
        ("QueryStrings", "method.request.querystring."),
        ("StageVariables", "stageVariables."),
        ("Context", "context."),
    ] {
        for item in identity.get(key).map_or(&[][..], Node::items) {
            let name =
                item.scalar().ok_or_else(|| TemplateError::at(item.line, format!("{key} must be names")))?;
            sources.push(format!("{prefix}{name}"));
        }
    }
    Ok(sources.join(", "))
}

fn permission(api: &Resource, authorizer: &Authorizer, function: &Node) -> Resource {
    let line = authorizer.line;
    let source = format!(
        "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{}}}/authorizers/*",
        api.logical_id
    );
    let properties = Node::map(
        line,
        [
            ("Action", Node::text(line, "lambda:InvokeFunction")),
            ("FunctionName", function.clone()),
            ("Principal", Node::text(line, "apigateway.amazonaws.com")),
            ("SourceArn", Node::substitution(line, source)),
        ],
    );
    let safe: String = authorizer.name.chars().filter(char::is_ascii_alphanumeric).collect();
    let id = format!("{}{safe}AuthorizerPermission", api.logical_id);
    Resource {
        condition: api.condition.clone(),
        ..Resource::made(id, line, "AWS::Lambda::Permission", properties)
    }
}

/// `ResourcePolicy`: statements of one's own, and address ranges.
fn resource_policy(api: &Resource, node: &Node) -> Result<Node, TemplateError> {
    only(node, &["CustomStatements", "IpRangeBlacklist", "IpRangeWhitelist"], "ResourcePolicy")?;
    let line = node.line;
    let mut statements = match node.get("CustomStatements") {
        None => Vec::new(),
        Some(Node { value: Value::List(items), .. }) => items.clone(),
        Some(one) => vec![one.clone()],
    };
    let ranges = [("IpRangeWhitelist", "NotIpAddress"), ("IpRangeBlacklist", "IpAddress")];
    let wanted: Vec<_> =
        ranges.iter().filter_map(|(key, operator)| Some((node.get(key)?, *operator))).collect();
    if !wanted.is_empty() {
        statements.push(policy_statement(line, "Allow", None));
    }
    for (addresses, operator) in wanted {
        let condition = Node::map(line, [(operator, Node::map(line, [("aws:SourceIp", addresses.clone())]))]);
        statements.push(policy_statement(line, "Deny", Some(condition)));
    }
    if statements.is_empty() {
        return Err(TemplateError::at(line, "ResourcePolicy says nothing").of(&api.logical_id));
    }
    Ok(super::policy_templates::document(line, statements))
}

fn policy_statement(line: u32, effect: &str, condition: Option<Node>) -> Node {
    let mut statement = Node::map(
        line,
        [
            ("Effect", Node::text(line, effect)),
            ("Principal", Node::text(line, "*")),
            ("Action", Node::text(line, "execute-api:Invoke")),
            ("Resource", Node::list(line, vec![Node::text(line, "execute-api:/*")])),
        ],
    );
    if let Some(condition) = condition {
        statement.set("Condition", condition);
    }
    statement
}
