//! `AWS::Serverless::Function`: a function, its role, and the routes to it.

use super::{
    copy,
    events::{self, ApiEvent},
    known_text, only, policy_templates, published, tag_list,
};
use crate::{
    intrinsic::{Facts, function as intrinsic},
    provision::{AWS_MANAGED_BASIC, FUNCTION_NAME_MAX, generated_prefix, policy_of_aws},
    template::{Node, Resource, TemplateError, Value},
};

/// A function, expanded.
#[derive(Debug)]
pub(super) struct Expanded {
    /// Plain resources.
    pub(super) resources: Vec<Resource>,
    /// Routes, for the APIs they belong to.
    pub(super) events: Vec<ApiEvent>,
}

const PROPERTIES: &[&str] = &[
    "Architectures",
    "AssumeRolePolicyDocument",
    "CodeUri",
    "Description",
    "Environment",
    "EphemeralStorage",
    "Events",
    "FunctionName",
    "Handler",
    "ImageConfig",
    "ImageUri",
    "InlineCode",
    "Layers",
    "MemorySize",
    "PackageType",
    "PermissionsBoundary",
    "Policies",
    "Role",
    "RolePath",
    "Runtime",
    "SnapStart",
    "Tags",
    "Timeout",
    "Tracing",
];

/// Expands one.
pub(super) fn expand(
    resource: &Resource,
    stack_name: &str,
    facts: &Facts,
) -> Result<Expanded, TemplateError> {
    let own = &resource.properties;
    only(own, &[PROPERTIES, published::PROPERTIES].concat(), "AWS::Serverless::Function")?;
    let role_id = format!("{}Role", resource.logical_id);
    let mut properties = Node::map(resource.line, [("Code", code(resource)?)]);
    copy(
        own,
        &mut properties,
        &[
            "Architectures",
            "Description",
            "Environment",
            "EphemeralStorage",
            "FunctionName",
            "Handler",
            "ImageConfig",
            "Layers",
            "MemorySize",
            "PackageType",
            "Runtime",
            "SnapStart",
            "Timeout",
        ],
    );
    if let Some(tags) = own.get("Tags") {
        properties.set("Tags", tag_list(tags));
    }
    if let Some(mode) = own.get("Tracing") {
        properties.set("TracingConfig", Node::map(mode.line, [("Mode", mode.clone())]));
    }
    let parts = published::expand(resource, &properties, facts)?;
    let mut resources = Vec::new();
    if let Some(role) = own.get("Role") {
        properties.set("Role", role.clone());
    } else {
        properties.set("Role", Node::attribute(resource.line, &role_id, "Arn"));
        let role = role(resource, (parts.policies, &parts.managed), stack_name, facts)?;
        resources.push(Resource {
            condition: resource.condition.clone(),
            ..Resource::made(role_id, resource.line, "AWS::IAM::Role", role)
        });
    }
    resources.push(Resource { kind: "AWS::Lambda::Function".to_owned(), properties, ..resource.clone() });
    resources.extend(parts.resources);
    Ok(Expanded { resources, events: events::of(resource, parts.alias.as_deref())? })
}

fn code(resource: &Resource) -> Result<Node, TemplateError> {
    let own = &resource.properties;
    if let Some(uri) = own.get("ImageUri") {
        if let Some(other) = own.get("CodeUri").or_else(|| own.get("InlineCode")) {
            return Err(TemplateError::at(other.line, "give ImageUri or the code itself, not both"));
        }
        return Ok(Node::map(uri.line, [("ImageUri", uri.clone())]));
    }
    match (own.get("CodeUri"), own.get("InlineCode")) {
        (None, Some(source)) => Ok(Node::map(source.line, [("ZipFile", source.clone())])),
        // A map names S3; the function's own check says what it thinks of that.
        (Some(uri), None) => Ok(uri.clone()),
        (Some(uri), Some(_)) => Err(TemplateError::at(uri.line, "give CodeUri or InlineCode, not both")),
        (None, None) => Err(TemplateError::at(resource.line, "CodeUri or InlineCode is required")),
    }
}

fn role(
    resource: &Resource,
    (destinations, sources): (Vec<Node>, &[&str]),
    stack_name: &str,
    facts: &Facts,
) -> Result<Node, TemplateError> {
    let own = &resource.properties;
    let line = resource.line;
    let trust = own.get("AssumeRolePolicyDocument").cloned().unwrap_or_else(|| lambda_trust(line));
    let mut role = Node::map(line, [("AssumeRolePolicyDocument", trust)]);
    let mut inline = vec![logging(resource, stack_name, facts)?];
    let mut managed =
        sources.iter().map(|name| managed_policy(name, line)).collect::<Result<Vec<_>, TemplateError>>()?;
    for policy in policies(own) {
        let name = Node::text(policy.line, format!("{}RolePolicy{}", resource.logical_id, inline.len() - 1));
        match (&policy.value, policy.only_entry()) {
            (Value::Text(text), _) if policy_of_aws(text) == policy_of_aws(AWS_MANAGED_BASIC) => {}
            (Value::Text(text), _) => managed.push(managed_policy(text, policy.line)?),
            (Value::Map(_), Some(_)) if intrinsic(policy).is_some() => managed.push(policy.clone()),
            (Value::Map(_), Some((template, arguments))) if policy_templates::is_template(template) => {
                let document = policy_templates::expand(template, arguments)?;
                inline.push(Node::map(policy.line, [("PolicyName", name), ("PolicyDocument", document)]));
            }
            (Value::Map(_), Some((template, _))) if template != "Statement" => {
                let text = format!("there is no policy template {template}");
                return Err(TemplateError::at(policy.line, text));
            }
            (Value::Map(_), _) => {
                only(policy, &["Version", "Id", "Statement"], "a policy")?;
                let mut document = policy.clone();
                if document.get("Version").is_none() {
                    document.set("Version", Node::text(policy.line, "2012-10-17"));
                }
                inline.push(Node::map(policy.line, [("PolicyName", name), ("PolicyDocument", document)]));
            }
            _ => {
                return Err(TemplateError::at(
                    policy.line,
                    "a policy must be a name, a template or a document",
                ));
            }
        }
    }
    inline.extend(destinations);
    role.set("Policies", Node::list(line, inline));
    if !managed.is_empty() {
        role.set("ManagedPolicyArns", Node::list(line, managed));
    }
    copy(own, &mut role, &["PermissionsBoundary"]);
    if let Some(path) = own.get("RolePath") {
        role.set("Path", path.clone());
    }
    Ok(role)
}

/// One policy or a list of them.
fn policies(own: &Node) -> Vec<&Node> {
    match own.get("Policies") {
        None => Vec::new(),
        Some(node) if node.is_list() => node.items().iter().collect(),
        Some(node) => vec![node],
    }
}

fn managed_policy(text: &str, line: u32) -> Result<Node, TemplateError> {
    if text.starts_with("arn:") {
        return Ok(Node::text(line, text));
    }
    let name = policy_of_aws(text).ok_or_else(|| {
        let text = format!(
            "{text} is a policy that AWS manages and is not present here; write its statements as an inline policy"
        );
        TemplateError::at(line, text)
    })?;
    Ok(Node::text(line, crate::resource::aws_managed_policy(name)))
}

/// What AWSLambdaBasicExecutionRole allows, on the function's own log group only.
// DIVERGES: AWS attaches its managed policy, which allows it on every log group of the account.
fn logging(resource: &Resource, stack_name: &str, facts: &Facts) -> Result<Node, TemplateError> {
    let line = resource.line;
    let name = match resource.properties.get("FunctionName") {
        Some(node) => known_text(facts, node, "FunctionName")?,
        None => format!("{}*", generated_prefix(stack_name, &resource.logical_id, FUNCTION_NAME_MAX)),
    };
    let group = format!(
        "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:/aws/lambda/{name}"
    );
    let actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];
    let statement = Node::map(
        line,
        [
            ("Effect", Node::text(line, "Allow")),
            ("Action", Node::list(line, actions.map(|action| Node::text(line, action)).into())),
            (
                "Resource",
                Node::list(
                    line,
                    vec![Node::substitution(line, &*group), Node::substitution(line, format!("{group}:*"))],
                ),
            ),
        ],
    );
    let document = policy_templates::document(line, vec![statement]);
    Ok(Node::map(line, [("PolicyName", Node::text(line, AWS_MANAGED_BASIC)), ("PolicyDocument", document)]))
}

fn lambda_trust(line: u32) -> Node {
    let principal =
        Node::map(line, [("Service", Node::list(line, vec![Node::text(line, "lambda.amazonaws.com")]))]);
    let statement = Node::map(
        line,
        [
            ("Effect", Node::text(line, "Allow")),
            ("Action", Node::list(line, vec![Node::text(line, "sts:AssumeRole")])),
            ("Principal", principal),
        ],
    );
    policy_templates::document(line, vec![statement])
}
