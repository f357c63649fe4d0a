//! A plan: what a template comes to for one stack, checked as far as it can be before anything is made.

use std::collections::{BTreeMap, BTreeSet};

use casemate_kernel::Env;
use casemate_names::{Scope, hex, sha256};

use crate::{
    api::Error,
    graph::Graph,
    intrinsic::{Facts, NO_VALUE, Target, references, settle_conditions},
    provision::{self, Models},
    sam,
    template::{Given, Node, Output, Parameter, Resource, Template, TemplateError, settle},
};

/// Which stack a plan is for.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Its name.
    pub(crate) name: String,
    /// Its ARN.
    pub(crate) id: String,
    /// Its account and region.
    pub(crate) scope: Scope,
    /// How clients reach this installation.
    pub(crate) endpoint: String,
}

/// What a plan is made from.
#[derive(Debug)]
pub(crate) struct Basis<'a> {
    /// The template's text.
    pub(crate) text: &'a str,
    /// Parameters given.
    pub(crate) given: &'a BTreeMap<String, Given>,
    /// Parameters the stack has.
    pub(crate) previous: &'a BTreeMap<String, String>,
    /// For which stack.
    pub(crate) identity: &'a Identity,
}

/// A plan.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The template's text.
    pub(crate) text: String,
    /// Its description.
    pub(crate) description: Option<String>,
    /// Resources that exist under the conditions, in the order to make them.
    pub(crate) resources: Vec<Resource>,
    /// Outputs that exist under the conditions.
    pub(crate) outputs: Vec<Output>,
    /// What values can depend on, without resources.
    pub(crate) facts: Facts,
    /// Parameters, settled.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Parameters never shown.
    pub(crate) hidden: Vec<String>,
    /// Does it use a transform?
    pub(crate) is_sam: bool,
}

impl Plan {
    /// Makes the plan, or says what is wrong with the template.
    pub(crate) fn of(env: &Env, models: &Models, basis: &Basis<'_>) -> Result<Self, Error> {
        let template = Template::parse(basis.text)?;
        let parameters =
            settle(&template.parameters, basis.given, basis.previous).map_err(Error::Validation)?;
        let mut facts = Facts {
            names: names(&template.parameters, &parameters, basis.identity),
            mappings: template.mappings.clone(),
            ..Facts::default()
        };
        facts.conditions = settle_conditions(&template.conditions, &facts)?;
        let is_sam = template.is_sam();
        let template = sam::expand(template, &facts, &basis.identity.name)?;
        for resource in &template.resources {
            check_resource(env, models, resource)?;
        }
        let resources = ordered(&template, &facts)?;
        let outputs = outputs(&template, &facts)?;
        let hidden = template.parameters.iter().filter(|p| p.no_echo).map(|p| p.name.clone()).collect();
        let description = template.description;
        Ok(Self {
            text: basis.text.to_owned(),
            description,
            resources,
            outputs,
            facts,
            parameters,
            hidden,
            is_sam,
        })
    }

    /// Capabilities the template needs and `given` does not acknowledge.
    // AWS: IAM resources need CAPABILITY_IAM, with names of their own CAPABILITY_NAMED_IAM, transforms CAPABILITY_AUTO_EXPAND.
    pub(crate) fn missing_capabilities(&self, given: &[String]) -> Vec<&'static str> {
        let has = |name: &str| given.iter().any(|known| known == name);
        let iam = || self.resources.iter().filter(|resource| resource.kind.starts_with("AWS::IAM::"));
        let named = iam().any(|resource| {
            let kind = provision::kind(&resource.kind);
            kind.and_then(|kind| kind.named_by).is_some_and(|name| resource.properties.get(name).is_some())
        });
        let mut missing = Vec::new();
        if named && !has("CAPABILITY_NAMED_IAM") {
            missing.push("CAPABILITY_NAMED_IAM");
        } else if iam().next().is_some() && !has("CAPABILITY_IAM") && !has("CAPABILITY_NAMED_IAM") {
            missing.push("CAPABILITY_IAM");
        }
        if self.is_sam && !has("CAPABILITY_AUTO_EXPAND") {
            missing.push("CAPABILITY_AUTO_EXPAND");
        }
        missing
    }

    /// A hash over everything an update could change.
    pub(crate) fn fingerprint(&self, tags: &[(String, String)]) -> String {
        let resources: Vec<serde_json::Value> = self
            .resources
            .iter()
            .map(|r| {
                serde_json::json!([r.logical_id, r.kind, r.properties.to_json(), format!("{:?}", r.deletion)])
            })
            .collect();
        let outputs: Vec<serde_json::Value> = self
            .outputs
            .iter()
            .map(|o| serde_json::json!([o.key, o.description, o.value.to_json()]))
            .collect();
        let mappings = self.facts.mappings.as_ref().map(Node::to_json);
        let all = serde_json::json!([resources, outputs, mappings, self.parameters, tags, self.description]);
        hex(&sha256(all.to_string().as_bytes()))
    }
}

/// Parameters and pseudo parameters as functions see them.
fn names(
    declared: &[Parameter],
    settled: &BTreeMap<String, String>,
    identity: &Identity,
) -> BTreeMap<String, Node> {
    let scope = &identity.scope;
    let pseudo = [
        ("AWS::AccountId", scope.account.as_str()),
        ("AWS::Region", scope.region.as_str()),
        ("AWS::Partition", &scope.partition),
        ("AWS::StackName", &identity.name),
        ("AWS::StackId", &identity.id),
        ("AWS::URLSuffix", "amazonaws.com"),
        // DIVERGES: AWS has no such pseudo parameter. It is the base URL of this installation, for outputs.
        ("Casemate::Endpoint", &identity.endpoint),
    ];
    let mut names: BTreeMap<String, Node> =
        pseudo.into_iter().map(|(name, value)| (name.to_owned(), Node::text(0, value))).collect();
    names.insert("AWS::NotificationARNs".to_owned(), Node::list(0, Vec::new()));
    for parameter in declared {
        if let Some(text) = settled.get(&parameter.name) {
            names.insert(parameter.name.clone(), parameter.value(text));
        }
    }
    names
}

fn check_resource(env: &Env, models: &Models, resource: &Resource) -> Result<(), Error> {
    let refused = |text: String| Error::from(TemplateError::at(resource.line, text).of(&resource.logical_id));
    let Some(kind) = provision::kind(&resource.kind) else {
        // AWS: "Template format error: Unrecognized resource types: [X]".
        return Err(refused(format!(
            "Template format error: Unrecognized resource types: [{}]",
            resource.kind
        )));
    };
    let (service, operation) = kind.maker;
    let maker = models.operation(env, service, operation).map_err(Error::Internal)?;
    let maker = maker
        .ok_or_else(|| refused(format!("{} cannot be made here: {service} has no {operation}", kind.name)))?;
    kind.check(&resource.properties, maker).map_err(|error| Error::from(error.of(&resource.logical_id)))
}

/// Resources under the conditions, each after what it needs.
fn ordered(template: &Template, facts: &Facts) -> Result<Vec<Resource>, Error> {
    let mut seen = BTreeSet::new();
    let mut graph = Graph::default();
    for resource in &template.resources {
        let id = &resource.logical_id;
        if !seen.insert(id.as_str()) || facts.names.contains_key(id) {
            let text = format!("Template format error: the name {id} is used twice");
            return Err(TemplateError::at(resource.line, text).into());
        }
        let needs = needs(template, facts, resource).map_err(|error| error.of(id))?;
        if exists(facts, resource.condition.as_deref(), resource.line)? {
            graph.add(id, needs);
        }
    }
    let order = graph.order().map_err(|cycle| {
        // AWS: "Circular dependency between resources: [A, B]".
        let line = cycle.0.first().and_then(|id| template.resource(id)).map_or(0, |resource| resource.line);
        let text = format!("Circular dependency between resources: [{}]", cycle.0.join(", "));
        TemplateError::at(line, text)
    })?;
    Ok(order.iter().filter_map(|id| template.resource(id)).cloned().collect())
}

/// The resources that one resource needs.
fn needs(template: &Template, facts: &Facts, resource: &Resource) -> Result<BTreeSet<String>, TemplateError> {
    let mut needs = BTreeSet::new();
    for name in &resource.depends_on {
        if template.resource(name).is_none() {
            return Err(unresolved(name, resource.line, "Resources"));
        }
        needs.insert(name.clone());
    }
    needs.extend(checked_references(template, facts, &resource.properties, "Resources")?);
    Ok(needs)
}

/// The resources a value refers to; every name must exist and every attribute be known.
fn checked_references(
    template: &Template,
    facts: &Facts,
    node: &Node,
    block: &str,
) -> Result<BTreeSet<String>, TemplateError> {
    let mut found = BTreeSet::new();
    for reference in references(node, &facts.conditions)? {
        let line = reference.line;
        let name = match &reference.target {
            Target::Name(name) if name == NO_VALUE || facts.names.contains_key(name) => continue,
            Target::Name(name) | Target::Attribute(name, _) => name,
        };
        let resource = template.resource(name).ok_or_else(|| match &reference.target {
            // AWS: "Template error: instance of Fn::GetAtt references undefined resource X".
            Target::Attribute(..) => TemplateError::at(
                line,
                format!("Template error: instance of Fn::GetAtt references undefined resource {name}"),
            ),
            Target::Name(_) => unresolved(name, line, block),
        })?;
        if let Target::Attribute(_, attribute) = &reference.target {
            check_attribute(resource, attribute, line)?;
        }
        if !reference.live {
            continue;
        }
        if !exists(facts, resource.condition.as_deref(), resource.line)? {
            return Err(unresolved(name, line, block));
        }
        found.insert(name.clone());
    }
    Ok(found)
}

fn check_attribute(resource: &Resource, attribute: &str, line: u32) -> Result<(), TemplateError> {
    let known = provision::kind(&resource.kind).map_or(&[][..], |kind| kind.attributes);
    // An attribute computed by another function is looked at when it is known.
    if attribute.is_empty() || known.contains(&attribute) {
        return Ok(());
    }
    let id = &resource.logical_id;
    // AWS: "Template error: resource X does not support attribute type Y in Fn::GetAtt".
    let text =
        format!("Template error: resource {id} does not support attribute type {attribute} in Fn::GetAtt");
    Err(TemplateError::at(line, text))
}

fn outputs(template: &Template, facts: &Facts) -> Result<Vec<Output>, Error> {
    let mut outputs = Vec::new();
    for output in &template.outputs {
        if exists(facts, output.condition.as_deref(), output.value.line)? {
            checked_references(template, facts, &output.value, "Outputs")?;
            outputs.push(output.clone());
        }
    }
    Ok(outputs)
}

fn exists(facts: &Facts, condition: Option<&str>, line: u32) -> Result<bool, TemplateError> {
    let Some(name) = condition else { return Ok(true) };
    facts.conditions.get(name).copied().ok_or_else(|| {
        TemplateError::at(line, format!("Template format error: Unresolved condition dependency {name}"))
    })
}

fn unresolved(name: &str, line: u32, block: &str) -> TemplateError {
    // AWS: this sentence.
    let text = format!(
        "Template format error: Unresolved resource dependencies [{name}] in the {block} block of the template"
    );
    TemplateError::at(line, text)
}

/// The value of an output.
pub(crate) fn output_value(facts: &Facts, output: &Output) -> Result<String, TemplateError> {
    let value = facts.evaluate(&output.value)?;
    let value = value.as_ref().and_then(Node::scalar);
    value.ok_or_else(|| {
        // AWS: "Template format error: The Value field of every Outputs member must evaluate to a String."
        let text =
            "Template format error: The Value field of every Outputs member must evaluate to a String.";
        TemplateError::at(output.value.line, format!("{text} ({})", output.key))
    })
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Self {
        Self::Validation(error.to_string())
    }
}
