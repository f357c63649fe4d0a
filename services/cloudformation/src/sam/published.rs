//! What SAM hangs on a function: the version and the alias of `AutoPublishAlias`, the URL, and what becomes of asynchronous requests.
//! Knows the function's expanded properties; of what the resources do it knows nothing.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use casemate_names::hex;

use super::{copy, known_text, only, policy_templates, resolved, sources};
use crate::{
    intrinsic::{Facts, NO_VALUE, function as intrinsic},
    template::{Deletion, Node, Resource, TemplateError, Value},
};

/// The properties read here.
pub(super) const PROPERTIES: &[&str] = &[
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "AutoPublishCodeSha256",
    "DeploymentPreference",
    "EventInvokeConfig",
    "FunctionUrlConfig",
    "ProvisionedConcurrencyConfig",
    "VersionDescription",
];

/// AWS: the hash in a version's logical id has this many characters.
const HASH_LENGTH: usize = 10;

/// What hangs on a function.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Plain resources.
    pub(super) resources: Vec<Resource>,
    /// Policies for the function's role: what its destinations need.
    pub(super) policies: Vec<Node>,
    /// Policies of AWS for the function's role: what its event sources need.
    pub(super) managed: Vec<&'static str>,
    /// The logical id of the alias that events lead to.
    pub(super) alias: Option<String>,
}

/// Makes them. `made` are the plain function's properties, still without its role.
pub(super) fn expand(source: &Resource, made: &Node, facts: &Facts) -> Result<Parts, TemplateError> {
    let own = &source.properties;
    if let Some(preference) = own.get("DeploymentPreference") {
        let text = "DeploymentPreference is not supported: there is no CodeDeploy here; \
                    an alias moves to a new version at once";
        return Err(TemplateError::at(preference.line, text));
    }
    let mut parts = Parts::default();
    let alias = match own.get("AutoPublishAlias") {
        Some(name) => Some(publish(source, name, made, facts, &mut parts)?),
        None => None,
    };
    if let (Some(provisioned), None) = (own.get("ProvisionedConcurrencyConfig"), &alias) {
        // AWS: text as SAM words it.
        let text = "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function";
        return Err(TemplateError::at(provisioned.line, text));
    }
    if let Some(config) = own.get("FunctionUrlConfig") {
        url(source, config, &mut parts)?;
    }
    if let Some(config) = own.get("EventInvokeConfig") {
        event_invoke_config(source, config, alias.as_deref(), &mut parts)?;
    }
    sources::expand(source, &mut parts)?;
    Ok(parts)
}

impl Parts {
    /// A resource that is there when the function is.
    pub(super) fn push(&mut self, source: &Resource, suffix: &str, kind: &str, properties: Node) {
        let id = format!("{}{suffix}", source.logical_id);
        let made = Resource::made(id, properties.line, kind, properties);
        self.resources.push(Resource {
            condition: source.condition.clone(),
            deletion: source.deletion,
            ..made
        });
    }

    /// What a URL and its permissions are for: AWS: the alias, if there is one.
    pub(super) fn target(&self, source: &Resource, line: u32) -> Node {
        Node::reference(line, self.alias.as_deref().unwrap_or(&source.logical_id))
    }
}

/// The version and the alias; answers the alias's name.
fn publish(
    source: &Resource,
    name: &Node,
    made: &Node,
    facts: &Facts,
    parts: &mut Parts,
) -> Result<String, TemplateError> {
    let (own, line) = (&source.properties, name.line);
    let alias = known_text(facts, name, "AutoPublishAlias")?;
    if alias.is_empty() || !alias.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        // AWS: the name is part of a logical id, which has letters and digits only.
        let text = format!("the alias {alias:?} of AutoPublishAlias must have letters and digits only");
        return Err(TemplateError::at(line, text));
    }
    let suffix = format!("Version{}", hash(source, made, facts)?);
    let version = format!("{}{suffix}", source.logical_id);
    let function = Node::reference(line, &source.logical_id);
    let mut properties = Node::map(line, [("FunctionName", function.clone())]);
    if let Some(description) = own.get("VersionDescription") {
        properties.set("Description", description.clone());
    }
    parts.push(source, &suffix, "AWS::Lambda::Version", properties);
    if let Some(last) = parts.resources.last_mut() {
        // AWS: a version stays when the next takes its place, unless the function says otherwise.
        if last.deletion == Deletion::Delete {
            last.deletion = Deletion::Retain;
        }
    }
    let mut properties = Node::map(
        line,
        [
            ("FunctionName", function),
            ("FunctionVersion", Node::attribute(line, &version, "Version")),
            ("Name", Node::text(line, &*alias)),
        ],
    );
    copy(own, &mut properties, &["ProvisionedConcurrencyConfig"]);
    parts.push(source, &format!("Alias{alias}"), "AWS::Lambda::Alias", properties);
    parts.alias = Some(format!("{}Alias{alias}", source.logical_id));
    Ok(alias)
}

/// What a version's logical id ends in: it changes with what is published.
// AWS: SHA-1 of the code, the environment and the memory as sorted JSON, unless the template gives the hash.
fn hash(source: &Resource, made: &Node, facts: &Facts) -> Result<String, TemplateError> {
    let own = &source.properties;
    if let Some(given) = own.get("AutoPublishCodeSha256") {
        let text = known_text(facts, given, "AutoPublishCodeSha256")?;
        let start: String = text.chars().take(HASH_LENGTH).collect();
        if start.is_empty() || !start.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let text = "AutoPublishCodeSha256 must be a hash in letters and digits";
            return Err(TemplateError::at(given.line, text));
        }
        return Ok(start);
    }
    let hashed = match own.get("AutoPublishAliasAllProperties") {
        None => published_by_default(made),
        Some(all) => match known_text(facts, all, "AutoPublishAliasAllProperties")?.as_str() {
            "true" => made.clone(),
            "false" => published_by_default(made),
            _ => {
                let text = "AutoPublishAliasAllProperties must be true or false";
                return Err(TemplateError::at(all.line, text));
            }
        },
    };
    let mut json = resolved::parameters(&hashed, facts)?.to_json();
    json.sort_all_objects();
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, ascii(&json.to_string()).as_bytes());
    Ok(hex(digest.as_ref()).chars().take(HASH_LENGTH).collect())
}

fn published_by_default(made: &Node) -> Node {
    let mut hashed = Node::map(made.line, []);
    match made.get("Code") {
        Some(code) if code.is_map() => hashed = code.clone(),
        // DIVERGES: code that was uploaded is named by its own hash, where AWS has a place in S3.
        Some(code) => hashed.set("CodeUri", code.clone()),
        None => {}
    }
    for entry in made.get("Environment").map_or(&[][..], Node::entries) {
        hashed.set(&entry.key, entry.node.clone());
    }
    copy(made, &mut hashed, &["MemorySize"]);
    hashed
}

/// JSON in ASCII, as SAM hashes it.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(letter, ' '..='~') {
            text.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                text.push_str("\\u");
                text.push_str(&hex(&unit.to_be_bytes()));
            }
        }
    }
    text
}

fn url(source: &Resource, config: &Node, parts: &mut Parts) -> Result<(), TemplateError> {
    only(config, &["AuthType", "Cors", "InvokeMode"], "FunctionUrlConfig")?;
    let auth = config
        .get("AuthType")
        .filter(|auth| intrinsic(auth).is_some() || matches!(auth.as_text(), Some("AWS_IAM" | "NONE")));
    let Some(auth) = auth else {
        // AWS: text as SAM words it.
        let text = "AuthType is required to configure function property `FunctionUrlConfig`. \
                    Please provide either AWS_IAM or NONE.";
        return Err(TemplateError::at(config.line, text));
    };
    let line = config.line;
    let target = parts.target(source, line);
    let mut properties = Node::map(line, [("TargetFunctionArn", target.clone())]);
    copy(config, &mut properties, &["AuthType", "Cors", "InvokeMode"]);
    parts.push(source, "Url", "AWS::Lambda::Url", properties);
    // AWS: only where it is written out; a computed one opens nothing.
    if auth.as_text() == Some("NONE") {
        let public = |action: &str, key: &str, value: Node| {
            Node::map(
                line,
                [
                    ("Action", Node::text(line, action)),
                    ("FunctionName", target.clone()),
                    ("Principal", Node::text(line, "*")),
                    (key, value),
                ],
            )
        };
        let may_call = public("lambda:InvokeFunctionUrl", "FunctionUrlAuthType", auth.clone());
        parts.push(source, "UrlPublicPermissions", "AWS::Lambda::Permission", may_call);
        // DIVERGES: the id of the second, which URLs need since October 2025, is ours. It holds for the URL only.
        let may_invoke = public("lambda:InvokeFunction", "InvokedViaFunctionUrl", Node::boolean(line, true));
        parts.push(source, "UrlInvokePermissions", "AWS::Lambda::Permission", may_invoke);
    }
    Ok(())
}

fn event_invoke_config(
    source: &Resource,
    config: &Node,
    alias: Option<&str>,
    parts: &mut Parts,
) -> Result<(), TemplateError> {
    let known = ["DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"];
    only(config, &known, "EventInvokeConfig")?;
    let line = config.line;
    let mut properties = Node::map(
        line,
        [
            ("FunctionName", Node::reference(line, &source.logical_id)),
            ("Qualifier", Node::text(line, alias.unwrap_or("$LATEST"))),
        ],
    );
    copy(config, &mut properties, &["MaximumEventAgeInSeconds", "MaximumRetryAttempts"]);
    if let Some(destinations) = config.get("DestinationConfig") {
        only(destinations, &["OnFailure", "OnSuccess"], "DestinationConfig")?;
        let mut plain = Node::map(destinations.line, []);
        for (key, node) in destinations.entries().iter().map(|entry| (&entry.key, &entry.node)) {
            let owner = format!("{}EventInvokeConfig{key}", source.logical_id);
            let (arn, policy) = destination(&owner, key, node)?;
            plain.set(key, Node::map(node.line, [("Destination", arn)]));
            parts.policies.push(policy);
        }
        properties.set("DestinationConfig", plain);
    }
    parts.push(source, "EventInvokeConfig", "AWS::Lambda::EventInvokeConfig", properties);
    if let (Some(made), Some(alias)) = (parts.resources.last_mut(), &parts.alias) {
        made.depends_on = vec![alias.clone()];
    }
    Ok(())
}

/// A destination's ARN, and the policy that lets the function's role reach it. `owner` begins the policy's name.
pub(super) fn destination(owner: &str, event: &str, node: &Node) -> Result<(Node, Node), TemplateError> {
    only(node, &["Destination", "Type"], event)?;
    let line = node.line;
    let kind = node.get("Type").and_then(Node::as_text).unwrap_or("(none)");
    // AWS: the action of each type, and what the policy's name ends in.
    let (action, suffix) = match kind {
        "SQS" => ("sqs:SendMessage", "SQSPolicy"),
        "SNS" => ("sns:Publish", "SNSPolicy"),
        "EventBridge" => ("events:PutEvents", "EventBridgePolicy"),
        "Lambda" => ("lambda:InvokeFunction", "LambdaPolicy"),
        _ => {
            // AWS: text as SAM words it.
            let text = format!("'Type: {kind}' must be one of ['SQS', 'SNS', 'EventBridge', 'Lambda']");
            return Err(TemplateError::at(line, text));
        }
    };
    let Some(arn) = node.get("Destination").filter(|arn| !may_be_nothing(arn)) else {
        let text = match kind {
            "SQS" | "SNS" => format!(
                "{event} needs Destination, an ARN: a queue or topic that SAM makes itself is not supported"
            ),
            _ => "Destination is required if Type is not ['SQS', 'SNS']".to_owned(),
        };
        return Err(TemplateError::at(line, text));
    };
    let statement = Node::map(
        line,
        [
            ("Action", Node::text(line, action)),
            ("Effect", Node::text(line, "Allow")),
            ("Resource", arn.clone()),
        ],
    );
    let name = format!("{owner}{suffix}");
    let document = policy_templates::document(line, vec![statement]);
    Ok((arn.clone(), Node::map(line, [("PolicyName", Node::text(line, name)), ("PolicyDocument", document)])))
}

/// Is it `AWS::NoValue`, or may a condition make it that? SAM would make a queue or a topic then.
fn may_be_nothing(node: &Node) -> bool {
    match intrinsic(node) {
        Some(("Ref", name)) => name.as_text() == Some(NO_VALUE),
        Some(("Fn::If", argument)) => argument.items().iter().skip(1).any(may_be_nothing),
        _ => matches!(node.value, Value::Null),
    }
}
