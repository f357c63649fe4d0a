//! A deployment, compiled: routes, templates, schemas, patterns and the resource policy, ready to serve. It is made from an
//! immutable snapshot and never changes.
//!
//! Refuses to know requests.

use std::{collections::BTreeMap, sync::Arc};

use casemate_kernel::{
    ResourcePolicy, enforced_principals,
    policy::{Kind, NamedPolicy, Policy, ResourceRule},
};
use casemate_names::{Arn, Scope};
use regex::Regex;
use serde_json::Value;

use crate::{
    authorizer::lambda::identity_source,
    definition::{Authorizer, Definition, IntegrationKind, Method},
    mock::Mock,
    route::Routes,
    template::Reference,
    validation::Models,
};

/// Everything needed to serve a deployment.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) definition: Definition,
    pub(crate) routes: Routes,
    pub(crate) policy: Option<ResourcePolicy>,
    pub(crate) models: Models,
    pub(crate) authorizers: BTreeMap<String, CompiledAuthorizer>,
    /// By resource id and verb.
    mocks: BTreeMap<(String, String), Mock>,
}

/// An authorizer, ready to be asked.
#[derive(Debug)]
pub(crate) struct CompiledAuthorizer {
    pub(crate) authorizer: Authorizer,
    pub(crate) sources: Vec<Reference>,
    pub(crate) validation: Option<Regex>,
    pub(crate) pools: Vec<Arn>,
}

impl Plan {
    /// Compiles a snapshot. The text says what in it cannot be served.
    pub(crate) fn compile(scope: &Scope, api_id: &str, definition: Definition) -> Result<Self, String> {
        let enforced =
            definition.policy.as_deref().map(|text| enforced_principals(text, &definition.policy_ids));
        let policy = enforced.map(|text| resource_policy(scope, api_id, &text)).transpose()?;
        let authorizers = definition.authorizers.iter().map(|(id, authorizer)| {
            let compiled = CompiledAuthorizer::compile(authorizer);
            Ok((id.clone(), compiled.map_err(|why| format!("authorizer {}: {why}", authorizer.name))?))
        });
        let authorizers = authorizers.collect::<Result<_, String>>()?;
        let mut mocks = BTreeMap::new();
        for resource in definition.resources.values() {
            for (verb, method) in &resource.methods {
                if let Some(integration) =
                    method.integration.as_ref().filter(|i| i.kind == IntegrationKind::Mock)
                {
                    let mock = Mock::compile(integration)
                        .map_err(|why| format!("{verb} {}: {why}", definition.path(resource)))?;
                    mocks.insert((resource.id.clone(), verb.clone()), mock);
                }
            }
        }
        let models = Models::compile(&definition.models)?;
        Ok(Self { routes: Routes::of(&definition), policy, models, authorizers, mocks, definition })
    }

    /// The mock integration of a method.
    pub(crate) fn mock(&self, resource_id: &str, verb: &str) -> Option<&Mock> {
        let of = |verb: &str| self.mocks.get(&(resource_id.to_owned(), verb.to_owned()));
        of(verb).or_else(|| of("ANY"))
    }

    /// The authorizer of a method.
    pub(crate) fn authorizer(&self, method: &Method) -> Option<&CompiledAuthorizer> {
        self.authorizers.get(method.authorizer_id.as_ref()?)
    }
}

impl CompiledAuthorizer {
    fn compile(authorizer: &Authorizer) -> Result<Self, String> {
        let listed = authorizer.identity_source.as_deref().unwrap_or_default();
        let sources = listed.split(',').map(str::trim).filter(|source| !source.is_empty()).map(|source| {
            identity_source(source).ok_or_else(|| format!("`{source}` is not an identity source"))
        });
        let validation = authorizer.identity_validation_expression.as_deref().filter(|text| !text.is_empty());
        let pools =
            authorizer.provider_arns.iter().map(|arn| Arn::parse(arn).map_err(|error| error.to_string()));
        Ok(Self {
            sources: sources.collect::<Result<_, _>>()?,
            // AWS: the expression must match the whole value.
            validation: validation.map(crate::mock::selection).transpose()?,
            pools: pools.collect::<Result<_, _>>()?,
            authorizer: authorizer.clone(),
        })
    }
}

/// Compiles an API's resource policy.
// AWS: `execute-api:/stage/VERB/path` is short for this very API (developer guide, "Resource policy examples").
pub(crate) fn resource_policy(scope: &Scope, api_id: &str, text: &str) -> Result<ResourcePolicy, String> {
    let mut document: Value =
        serde_json::from_str(text).map_err(|_| "Policy document is not valid JSON".to_owned())?;
    expand(&mut document, scope, api_id);
    let policy = Policy::parse(&document.to_string(), Kind::Resource)
        .map_err(|error| format!("{error} {}", error.place()))?;
    let policy =
        NamedPolicy { name: format!("resource policy of API {api_id}").into(), policy: Arc::new(policy) };
    Ok(ResourcePolicy::new(policy, ResourceRule::Ordinary))
}

fn expand(document: &mut Value, scope: &Scope, api_id: &str) {
    let expanded = |value: &mut Value| {
        let short = value.as_str().and_then(|text| text.strip_prefix("execute-api:/"));
        if let Some(rest) = short {
            let arn = Arn::regional(scope, "execute-api", &format!("{api_id}/{rest}"));
            *value = Value::from(arn.as_str());
        }
    };
    let statements = match document.get_mut("Statement") {
        Some(Value::Array(items)) => items.iter_mut().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for statement in statements {
        for name in ["Resource", "NotResource"] {
            match statement.get_mut(name) {
                Some(Value::Array(items)) => items.iter_mut().for_each(expanded),
                Some(one) => expanded(one),
                None => {}
            }
        }
    }
}
