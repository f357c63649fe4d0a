//! What an API consists of: resources, methods, integrations, authorizers, validators, models, gateway responses. The
//! editable API and every deployment hold the same type; a deployment's copy never changes.
//!
//! Refuses to know requests, callers and storage keys.

use std::collections::BTreeMap;

use casemate_names::Timestamp;
use serde::{Deserialize, Serialize};

/// A REST API as it is being edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RestApi {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) created_at: Timestamp,
    /// `REGIONAL`, `EDGE`. It is what the owner wants to see back; there is one way in.
    pub(crate) endpoint_types: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) definition: Definition,
}

/// The part of an API that a deployment freezes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) root_resource_id: String,
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) authorizers: BTreeMap<String, Authorizer>,
    pub(crate) validators: BTreeMap<String, RequestValidator>,
    /// By name.
    pub(crate) models: BTreeMap<String, Model>,
    /// By response type.
    pub(crate) gateway_responses: BTreeMap<String, GatewayResponse>,
    /// The resource policy as given.
    pub(crate) policy: Option<String>,
    /// The unique ids of the users and roles that the policy names by ARN, at the time it was put.
    #[serde(default)]
    pub(crate) policy_ids: BTreeMap<String, String>,
    pub(crate) binary_media_types: Vec<String>,
    pub(crate) disable_execute_api_endpoint: bool,
}

/// One node of the tree of paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    /// `None` for the root.
    pub(crate) parent_id: Option<String>,
    /// `literal`, `{name}` or `{name+}`; empty for the root.
    pub(crate) path_part: String,
    /// By verb or `ANY`.
    pub(crate) methods: BTreeMap<String, Method>,
}

/// How callers of a method are authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Authorization {
    /// `NONE`
    None,
    /// `AWS_IAM`
    Iam,
    /// `CUSTOM`: a Lambda authorizer.
    Custom,
    /// `COGNITO_USER_POOLS`
    Cognito,
}

/// A verb on a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Method {
    pub(crate) authorization: Authorization,
    pub(crate) authorizer_id: Option<String>,
    pub(crate) authorization_scopes: Vec<String>,
    pub(crate) operation_name: Option<String>,
    /// `method.request.{header,querystring,path}.name` → required.
    pub(crate) request_parameters: BTreeMap<String, bool>,
    /// Content type → model name.
    pub(crate) request_models: BTreeMap<String, String>,
    pub(crate) request_validator_id: Option<String>,
    /// By status code.
    pub(crate) responses: BTreeMap<String, MethodResponse>,
    pub(crate) integration: Option<Integration>,
}

/// What a method may answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct MethodResponse {
    pub(crate) parameters: BTreeMap<String, bool>,
    pub(crate) models: BTreeMap<String, String>,
}

/// What is behind a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IntegrationKind {
    /// `AWS_PROXY` to a Lambda function.
    LambdaProxy,
    /// `MOCK`: the gateway answers by itself.
    Mock,
}

/// Where a method's requests go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Integration {
    pub(crate) kind: IntegrationKind,
    pub(crate) http_method: Option<String>,
    pub(crate) uri: Option<String>,
    /// A role to call the function with.
    pub(crate) credentials: Option<String>,
    /// Content type → template.
    pub(crate) request_templates: BTreeMap<String, String>,
    pub(crate) request_parameters: BTreeMap<String, String>,
    pub(crate) passthrough_behavior: String,
    pub(crate) timeout_ms: i32,
    pub(crate) cache_namespace: Option<String>,
    /// By status code.
    pub(crate) responses: BTreeMap<String, IntegrationResponse>,
}

/// How an integration's answer becomes the method's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct IntegrationResponse {
    pub(crate) selection_pattern: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) templates: BTreeMap<String, String>,
}

/// Which kind of authorizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AuthorizerKind {
    /// `TOKEN`
    Token,
    /// `REQUEST`
    Request,
    /// `COGNITO_USER_POOLS`
    Cognito,
}

/// Decides who may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Authorizer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: AuthorizerKind,
    pub(crate) provider_arns: Vec<String>,
    pub(crate) auth_type: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) credentials: Option<String>,
    /// Comma-separated, as given.
    pub(crate) identity_source: Option<String>,
    pub(crate) identity_validation_expression: Option<String>,
    pub(crate) result_ttl_s: i32,
}

/// What is checked of a request before it is passed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RequestValidator {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) body: bool,
    pub(crate) parameters: bool,
}

/// A JSON schema by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) schema: String,
    pub(crate) content_type: String,
}

/// A customised answer of the gateway itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct GatewayResponse {
    pub(crate) status: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) templates: BTreeMap<String, String>,
}

impl Authorization {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Iam, Self::Custom, Self::Cognito].into_iter().find(|known| known.as_str() == text)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Iam => "AWS_IAM",
            Self::Custom => "CUSTOM",
            Self::Cognito => "COGNITO_USER_POOLS",
        }
    }
}

impl Definition {
    /// The whole path of a resource: `/` or `/a/{b}`.
    pub(crate) fn path(&self, resource: &Resource) -> String {
        let mut parts = Vec::new();
        let mut at = Some(resource);
        // INVARIANT: parents exist and form no circle; the bound is for rows that were tampered with.
        while let Some(current) = at.filter(|_| parts.len() <= self.resources.len()) {
            if !current.path_part.is_empty() {
                parts.push(current.path_part.as_str());
            }
            at = current.parent_id.as_ref().and_then(|parent| self.resources.get(parent));
        }
        parts.reverse();
        format!("/{}", parts.join("/"))
    }

    /// The ids of a resource and everything under it.
    pub(crate) fn subtree(&self, id: &str) -> Vec<String> {
        let mut found = vec![id.to_owned()];
        let mut at = 0;
        while let Some(parent) = found.get(at).cloned() {
            at += 1;
            let children = self.resources.values().filter(|r| r.parent_id.as_deref() == Some(&parent));
            found.extend(children.map(|child| child.id.clone()));
        }
        found
    }

    /// Is a child of `parent` with this path part (other than `but`) there already?
    pub(crate) fn has_child(&self, parent: &str, path_part: &str, but: Option<&str>) -> bool {
        self.resources.values().any(|resource| {
            resource.parent_id.as_deref() == Some(parent)
                && resource.path_part == path_part
                && Some(resource.id.as_str()) != but
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(id: &str, parent: Option<&str>, part: &str) -> (String, Resource) {
        let resource = Resource {
            id: id.into(),
            parent_id: parent.map(Into::into),
            path_part: part.into(),
            methods: BTreeMap::new(),
        };
        (id.into(), resource)
    }

    #[test]
    fn paths_and_subtrees_follow_the_parents() {
        let resources = [
            resource("r", None, ""),
            resource("a", Some("r"), "a"),
            resource("b", Some("a"), "{b}"),
            resource("c", Some("r"), "c"),
        ];
        let definition = Definition { resources: resources.into(), ..Definition::default() };
        assert_eq!(definition.path(&definition.resources["r"]), "/");
        assert_eq!(definition.path(&definition.resources["b"]), "/a/{b}");
        assert_eq!(definition.subtree("a"), ["a", "b"]);
        assert!(definition.has_child("r", "a", None) && !definition.has_child("r", "a", Some("a")));
    }

    #[test]
    fn a_circle_of_parents_does_not_hang() {
        let resources = [resource("a", Some("b"), "a"), resource("b", Some("a"), "b")];
        let definition = Definition { resources: resources.into(), ..Definition::default() };
        assert!(definition.path(&definition.resources["a"]).starts_with('/'));
    }
}
