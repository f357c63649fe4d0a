//! The policies inside a template's resources, and how functions share roles.

use casemate_policy::Kind;
use casemate_resource_policies::of_service;
use serde_json::Value as Json;

use crate::{
    Attached, attachments,
    document::one_or_many,
    finding::{Finding, SHARED_ROLE},
    lint, lint_attached, lint_together,
};

/// A resource of a template, expanded but not settled: references are still references.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type, e.g. `AWS::IAM::Role`.
    pub kind: String,
    /// Where it stands, from 1.
    pub line: usize,
    /// Its properties.
    pub properties: Json,
}

/// Where a resource type keeps documents: property, and what they are.
const DOCUMENTS: [(&str, &str, Kind); 14] = [
    ("AWS::IAM::Role", "AssumeRolePolicyDocument", Kind::Trust),
    ("AWS::IAM::Policy", "PolicyDocument", Kind::Identity),
    ("AWS::IAM::ManagedPolicy", "PolicyDocument", Kind::Identity),
    ("AWS::IAM::RolePolicy", "PolicyDocument", Kind::Identity),
    ("AWS::IAM::UserPolicy", "PolicyDocument", Kind::Identity),
    ("AWS::IAM::GroupPolicy", "PolicyDocument", Kind::Identity),
    ("AWS::S3::BucketPolicy", "PolicyDocument", Kind::Resource),
    ("AWS::SQS::QueuePolicy", "PolicyDocument", Kind::Resource),
    ("AWS::SNS::TopicPolicy", "PolicyDocument", Kind::Resource),
    ("AWS::KMS::Key", "KeyPolicy", Kind::Resource),
    ("AWS::SecretsManager::ResourcePolicy", "ResourcePolicy", Kind::Resource),
    ("AWS::ApiGateway::RestApi", "Policy", Kind::Resource),
    ("AWS::Events::EventBusPolicy", "Statement", Kind::Resource),
    ("AWS::DynamoDB::Table", "ResourcePolicy.PolicyDocument", Kind::Resource),
];

/// Types whose documents a service takes by rules that are known, and its prefix.
const ATTACHED: [(&str, &str); 3] = [
    ("AWS::SQS::QueuePolicy", "sqs"),
    ("AWS::SNS::TopicPolicy", "sns"),
    ("AWS::SecretsManager::ResourcePolicy", "secretsmanager"),
];

/// Types with inline `Policies`.
const HOLDERS: [&str; 3] = ["AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"];

/// Where they name managed policies.
const MANAGED: &str = "ManagedPolicyArns";

/// Looks at every policy of a template and at how its functions share roles.
pub fn lint_template(resources: &[Resource]) -> Vec<Finding> {
    let mut found = Vec::new();
    for resource in resources {
        for (kind, property, what) in DOCUMENTS {
            let document = property.split('.').try_fold(&resource.properties, |tree, name| tree.get(name));
            if kind == resource.kind
                && let Some(document) = document
            {
                found.extend(of(resource, property, document, what));
            }
        }
        if HOLDERS.contains(&resource.kind.as_str()) {
            found.extend(of_holder(resource));
        }
        if resource.kind == "AWS::Lambda::Permission" {
            found.extend(placed(resource, "Principal", attachments::of_permission(&resource.properties)));
        }
    }
    found.extend(shared_roles(resources));
    found
}

/// The inline policies of a role, user or group, AWS's policies on it, and what they allow only together.
fn of_holder(resource: &Resource) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut together: Vec<(String, String)> = Vec::new();
    for inline in one_or_many(resource.properties.get("Policies")) {
        let name = inline.get("PolicyName").and_then(Json::as_str).unwrap_or("?");
        if let Some(document) = inline.get("PolicyDocument") {
            found.extend(of(resource, &format!("Policies/{name}"), document, Kind::Identity));
            together.push((name.to_owned(), document.to_string()));
        }
    }
    for managed in attachments::managed(resource.properties.get(MANAGED)) {
        found.extend(placed(resource, MANAGED, attachments::of_managed(managed)));
        together.push((managed.name.to_owned(), managed.document.to_owned()));
    }
    let together: Vec<(&str, &str)> =
        together.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let of_all = lint_together(&together).into_iter();
    let of_all = of_all.map(|(_, finding)| Finding::whole(finding.rule, finding.message)).collect();
    found.extend(placed(resource, "Policies", of_all));
    found
}

/// Findings at a place within a resource.
fn placed(resource: &Resource, place: &str, mut found: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut found {
        finding.place = Some(format!("{}/{place}", resource.logical_id));
        finding.line = Some(resource.line);
    }
    found
}

fn of(resource: &Resource, place: &str, document: &Json, kind: Kind) -> Vec<Finding> {
    // Without a Statement of its own (a reference, a transform) there is nothing to look at yet.
    if document.get("Statement").is_none() {
        return Vec::new();
    }
    let text = document.to_string();
    let found = match attached(resource) {
        Some(attached) => lint_attached(&text, &attached),
        None => lint(&text, kind),
    };
    placed(resource, place, found)
}

/// By what rules the resource's document is taken. What it is attached to is a reference yet.
fn attached(resource: &Resource) -> Option<Attached<'static>> {
    let (_, service) = ATTACHED.iter().find(|(kind, _)| *kind == resource.kind)?;
    let block_public = resource.properties.get("BlockPublicPolicy") == Some(&Json::Bool(true));
    Some(Attached { rules: of_service(service)?, resource: None, block_public })
}

fn shared_roles(resources: &[Resource]) -> Vec<Finding> {
    let functions: Vec<(&Resource, &Json)> = resources
        .iter()
        .filter(|resource| resource.kind == "AWS::Lambda::Function")
        .filter_map(|resource| Some((resource, resource.properties.get("Role")?)))
        .collect();
    let mut found = Vec::new();
    for (at, (resource, role)) in functions.iter().enumerate() {
        let first = functions.iter().position(|(_, other)| other == role);
        let sharing: Vec<&str> = functions
            .iter()
            .filter(|(_, other)| other == role)
            .map(|(resource, _)| resource.logical_id.as_str())
            .collect();
        if first == Some(at) && sharing.len() > 1 {
            let mut finding =
                Finding::whole(&SHARED_ROLE, format!("{} share one role: {role}", sharing.join(", ")));
            finding.place = Some(format!("{}/Role", resource.logical_id));
            finding.line = Some(resource.line);
            found.push(finding);
        }
    }
    found
}
