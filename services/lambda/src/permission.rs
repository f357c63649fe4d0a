//! A function's resource policy: statements made by `AddPermission`, and the whole as the gate sees it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_kernel::{
    Env, Fault, NamedPrincipal, ResourcePolicy, audit,
    policy::{Kind, NamedPolicy, Policy, ResourceRule, Stake},
};
use casemate_names::Arn;
use casemate_store::{Row, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    api::{AddLayerVersionPermissionInput, AddPermissionInput, Error},
    layer::LayerPermissions,
    resource::{FunctionRef, LayerRef},
};

/// A policy's length in bytes.
// AWS: 20 KB (Lambda quotas, "Resource-based policy").
const POLICY_BYTES_MAX: usize = 20_480;
/// Compiled policies kept; beyond it the cache starts again. Ours: bounds memory.
const COMPILED_MAX: usize = 4_096;

/// The policy of a function, or of one of its versions or aliases: each has its own, and none holds for another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Permissions {
    /// Changes with every change.
    pub(crate) revision_id: String,
    /// Statements by id, as JSON text, in the order they came.
    pub(crate) statements: Vec<(String, String)>,
    /// By statement id, the unique id that the user or role named by ARN had when the statement was made.
    #[serde(default)]
    pub(crate) principal_ids: BTreeMap<String, String>,
}

impl Row for Permissions {
    const TABLE: &'static str = "lambda.permissions";
    const VERSION: u16 = 1;
}

impl Permissions {
    /// The policy document.
    pub(crate) fn document(&self) -> String {
        document(self.statements.iter().map(|(_, text)| text.clone()))
    }

    /// The policy document as it is enforced: users, roles and sessions by unique id, so that one recreated under the same
    /// name inherits nothing.
    // AWS: IAM User Guide, "Principal": resource policies are stored with principal ids.
    fn enforced(&self) -> String {
        // Every statement allows.
        self.with_principals(|id, named| {
            named.enforced(self.principal_ids.get(id).map(String::as_str), Stake::Gains)
        })
    }

    /// The policy document as answers show it: those who are gone appear by unique id.
    // AWS: IAM User Guide, "Principal": the ARN turns into the principal id when the principal is deleted.
    pub(crate) fn shown(&self, env: &Env) -> Result<String, Error> {
        let sessions = env.sessions()?;
        let mut gone = BTreeMap::new();
        for (id, text) in &self.statements {
            let (Some(unique_id), Some(named)) = (self.principal_ids.get(id), principal_of(text)) else {
                continue;
            };
            if sessions.unique_id_of(&named)?.as_ref() != Some(unique_id) {
                gone.insert(id.as_str(), unique_id.clone());
            }
        }
        Ok(self.with_principals(|id, _| gone.get(id).cloned()))
    }

    /// The document with other names for users, roles and sessions, where `replaced` says so for a statement.
    fn with_principals(&self, replaced: impl Fn(&str, &NamedPrincipal) -> Option<String>) -> String {
        let other = |id: &str, text: &str| -> Option<String> {
            let name = replaced(id, &principal_of(text)?)?;
            let mut statement: Value = serde_json::from_str(text).ok()?;
            *statement.get_mut("Principal")?.get_mut("AWS")? = json!(name);
            Some(statement.to_string())
        };
        let statements = self.statements.iter();
        document(statements.map(|(id, text)| other(id, text).unwrap_or_else(|| text.clone())))
    }

    /// Adds a statement, if the whole is then still a policy.
    pub(crate) fn add(&mut self, id: &str, statement: String) -> Result<(), Error> {
        if self.statements.iter().any(|(existing, _)| existing == id) {
            // AWS: text as the service words it.
            return Err(Error::resource_conflict_exception(format!(
                "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        self.statements.push((id.to_owned(), statement));
        let document = self.document();
        if document.len() > POLICY_BYTES_MAX {
            // AWS: text as the service words it.
            return Err(Error::policy_length_exceeded_exception(format!(
                "The final policy size ({}) is bigger than the limit ({POLICY_BYTES_MAX}).",
                document.len()
            )));
        }
        Policy::parse(&document, Kind::Resource)
            .map_err(|error| Error::invalid_parameter_value_exception(error.to_string()))?;
        Ok(())
    }

    /// Takes a statement away.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Error> {
        let before = self.statements.len();
        self.statements.retain(|(existing, _)| existing != id);
        self.principal_ids.remove(id);
        if self.statements.len() == before {
            return Err(no_statement(id));
        }
        Ok(())
    }
}

// AWS: the service names it `default`.
fn document(statements: impl Iterator<Item = String>) -> String {
    let statements: Vec<String> = statements.collect();
    format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{}]}}"#, statements.join(","))
}

/// The user, role or session that a statement names.
fn principal_of(statement: &str) -> Option<NamedPrincipal> {
    let statement: Value = serde_json::from_str(statement).ok()?;
    NamedPrincipal::parse(statement.pointer("/Principal/AWS")?.as_str()?)
}

/// The unique id of whom a new statement names; `None` for accounts, services and everybody.
pub(crate) fn principal_id(env: &Env, principal: &str) -> Result<Option<String>, Error> {
    let Some(named) = NamedPrincipal::parse(principal) else { return Ok(None) };
    let id = env.sessions()?.unique_id_of(&named)?;
    // AWS: whom it names must exist.
    id.map(Some).ok_or_else(invalid_principal)
}

fn invalid_principal() -> Error {
    // AWS: text as the service words it.
    Error::invalid_parameter_value_exception(
        "The provided principal was invalid. Please check the principal and try again.",
    )
}

/// There is no such statement.
pub(crate) fn no_statement(id: &str) -> Error {
    // AWS: text as the service words it.
    Error::resource_not_found_exception(format!("Statement {id} is not found in resource policy."))
}

/// Whether a statement is for a service, whoever it works for: nothing says of whose account what calls must be.
// Bucket names have no account in their ARNs and are used again: whoever makes the bucket anew would call.
pub(crate) fn is_for_any_account(input: &AddPermissionInput) -> bool {
    let source = input.source_arn.as_deref().and_then(|arn| Arn::parse(arn).ok());
    input.principal.ends_with(".amazonaws.com")
        && input.source_account.is_none()
        && input.principal_org_id.is_none()
        && source.is_none_or(|arn| arn.account_id().is_none())
}

/// Says in the trail that such a statement was added. It is taken, as on AWS.
pub(crate) fn note_any_account(env: &Env, function: &Arn, request_id: &str) {
    env.audit.event(audit::Event {
        name: "lambda.permission-for-any-account",
        at: env.clock.now(),
        place: "lambda.permissions".to_owned(),
        function: Some(function.as_str().to_owned()),
        request_id: Some(request_id.to_owned()),
        detail: "a service may invoke it for every account: the permission has neither a SourceAccount nor a SourceArn with one"
            .to_owned(),
        alarm: None,
    });
}

/// The statement that `AddPermission` makes.
pub(crate) fn statement(function: &Arn, input: &AddPermissionInput) -> Result<String, Error> {
    let mut like = Map::new();
    let mut equals = Map::new();
    let mut boolean = Map::new();
    if let Some(arn) = &input.source_arn {
        like.insert("AWS:SourceArn".to_owned(), json!(arn));
    }
    if let Some(account) = &input.source_account {
        equals.insert("AWS:SourceAccount".to_owned(), json!(account));
    }
    if let Some(organisation) = &input.principal_org_id {
        equals.insert("aws:PrincipalOrgID".to_owned(), json!(organisation));
    }
    if let Some(auth_type) = &input.function_url_auth_type {
        equals.insert("lambda:FunctionUrlAuthType".to_owned(), json!(auth_type.as_str()));
    }
    if let Some(token) = &input.event_source_token {
        equals.insert("lambda:EventSourceToken".to_owned(), json!(token));
    }
    if let Some(via_url) = input.invoked_via_function_url {
        boolean.insert("lambda:InvokedViaFunctionUrl".to_owned(), json!(via_url.to_string()));
    }
    let mut condition = Map::new();
    for (operator, keys) in [("StringEquals", equals), ("ArnLike", like), ("Bool", boolean)] {
        if !keys.is_empty() {
            condition.insert(operator.to_owned(), Value::Object(keys));
        }
    }
    let mut statement = Map::new();
    statement.insert("Sid".to_owned(), json!(input.statement_id));
    statement.insert("Effect".to_owned(), json!("Allow"));
    statement.insert("Principal".to_owned(), principal(&input.principal, function.partition())?);
    statement.insert("Action".to_owned(), json!(input.action));
    statement.insert("Resource".to_owned(), json!(function.as_str()));
    if !condition.is_empty() {
        statement.insert("Condition".to_owned(), Value::Object(condition));
    }
    Ok(Value::Object(statement).to_string())
}

/// The statement that `AddLayerVersionPermission` makes.
pub(crate) fn layer_statement(
    version: &Arn,
    input: &AddLayerVersionPermissionInput,
) -> Result<String, Error> {
    let mut statement = Map::new();
    statement.insert("Sid".to_owned(), json!(input.statement_id));
    statement.insert("Effect".to_owned(), json!("Allow"));
    statement.insert("Principal".to_owned(), principal(&input.principal, version.partition())?);
    statement.insert("Action".to_owned(), json!(input.action));
    statement.insert("Resource".to_owned(), json!(version.as_str()));
    if let Some(organisation) = &input.organization_id {
        if input.principal != "*" {
            // AWS: "if you specify an organization ID, the principal must be *" (API reference).
            return Err(Error::invalid_parameter_value_exception(
                "with OrganizationId the principal must be *",
            ));
        }
        let condition = json!({ "StringEquals": { "aws:PrincipalOrgID": organisation } });
        statement.insert("Condition".to_owned(), condition);
    }
    Ok(Value::Object(statement).to_string())
}

// AWS: an account id stands for its root; what is no ARN must be a service's name.
fn principal(text: &str, partition: &str) -> Result<Value, Error> {
    if text == "*" {
        return Ok(json!("*"));
    }
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let root = Arn::from_parts([partition, "iam", "", text, "root"]);
        return Ok(json!({ "AWS": root.as_str() }));
    }
    if Arn::parse(text).is_ok_and(|arn| arn.service() == "iam" || arn.service() == "sts") {
        return Ok(json!({ "AWS": text }));
    }
    let service = text.ends_with(".amazonaws.com") && !text.starts_with('.');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if service && text.bytes().all(legal) {
        return Ok(json!({ "Service": text }));
    }
    Err(invalid_principal())
}

/// Compiled policies by function, so that a decision does not parse.
#[derive(Debug, Default)]
pub(crate) struct Compiled(Mutex<BTreeMap<String, (String, NamedPolicy)>>);

impl Compiled {
    /// The function's policy as it is now.
    pub(crate) fn of(&self, store: &Store, at: &FunctionRef) -> Result<Option<ResourcePolicy>, Error> {
        let Some(row) = store.read(|tx| tx.get::<Permissions>(&at.qualified_key()))? else { return Ok(None) };
        self.compiled(&at.requested_arn(), row, format!("of function {}", at.name))
    }

    /// The layer version's policy as it is now.
    pub(crate) fn of_layer(
        &self,
        store: &Store,
        at: &LayerRef,
        number: u64,
    ) -> Result<Option<ResourcePolicy>, Error> {
        let found = store.read(|tx| tx.get::<LayerPermissions>(&at.version_key(number)))?;
        let Some(LayerPermissions(row)) = found else { return Ok(None) };
        self.compiled(&at.version_arn(number), row, format!("of layer {}:{number}", at.name))
    }

    fn compiled(&self, arn: &Arn, row: Permissions, name: String) -> Result<Option<ResourcePolicy>, Error> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, policy)) = kept.get(arn.as_str())
            && *revision == row.revision_id
        {
            return Ok(Some(ResourcePolicy::new(policy.clone(), ResourceRule::Ordinary)));
        }
        // A stored policy that no longer parses is an error, and an error is a refusal.
        let policy = Policy::parse(&row.enforced(), Kind::Resource).map_err(Fault::internal)?;
        let named = NamedPolicy { name: name.into(), policy: Arc::new(policy) };
        if kept.len() >= COMPILED_MAX {
            kept.clear();
        }
        kept.insert(arn.as_str().to_owned(), (row.revision_id, named.clone()));
        Ok(Some(ResourcePolicy::new(named, ResourceRule::Ordinary)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn() -> Arn {
        Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap()
    }

    fn input(principal: &str) -> AddPermissionInput {
        AddPermissionInput {
            function_name: "f".to_owned(),
            statement_id: "s".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            principal: principal.to_owned(),
            ..AddPermissionInput::default()
        }
    }

    #[test]
    fn a_gateway_statement_reads_as_awss() {
        let input = AddPermissionInput {
            source_arn: Some("arn:aws:execute-api:us-east-1:123456789012:api/*".to_owned()),
            source_account: Some("123456789012".to_owned()),
            ..input("apigateway.amazonaws.com")
        };
        assert_eq!(
            statement(&arn(), &input).unwrap(),
            r#"{"Sid":"s","Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"},"ArnLike":{"AWS:SourceArn":"arn:aws:execute-api:us-east-1:123456789012:api/*"}}}"#
        );
    }

    #[test]
    fn principals_are_recognised_or_refused() {
        let of = |text: &str| principal(text, "aws").map(|value| value.to_string());
        assert_eq!(of("*").unwrap(), r#""*""#);
        assert_eq!(of("210987654321").unwrap(), r#"{"AWS":"arn:aws:iam::210987654321:root"}"#);
        assert_eq!(of("arn:aws:iam::1:user/x").unwrap(), r#"{"AWS":"arn:aws:iam::1:user/x"}"#);
        for bad in
            ["", "apigateway", "evil.example.com", ".amazonaws.com", "a b.amazonaws.com", "arn:aws:s3:::x"]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_second_statement_of_the_same_id_is_refused() {
        let mut permissions = Permissions::default();
        let text = statement(&arn(), &input("s3.amazonaws.com")).unwrap();
        permissions.add("s", text.clone()).unwrap();
        assert!(matches!(permissions.add("s", text), Err(Error::ResourceConflictException(_))));
        permissions.remove("s").unwrap();
        assert!(matches!(permissions.remove("s"), Err(Error::ResourceNotFoundException(_))));
    }

    #[test]
    fn users_and_roles_are_enforced_by_unique_id() {
        let mut permissions = Permissions::default();
        for (id, principal) in
            [("user", "arn:aws:iam::123456789012:user/ann"), ("service", "s3.amazonaws.com")]
        {
            let asked = AddPermissionInput { statement_id: id.to_owned(), ..input(principal) };
            permissions.add(id, statement(&arn(), &asked).unwrap()).unwrap();
        }
        permissions.principal_ids.insert("user".to_owned(), "AIDAAAAAAAAAAAAAAAAAA".to_owned());
        assert!(permissions.document().contains("user/ann"), "shown as it was given");
        let enforced = permissions.enforced();
        assert!(
            enforced.contains(r#"{"AWS":"AIDAAAAAAAAAAAAAAAAAA"}"#) && !enforced.contains("user/ann"),
            "{enforced}"
        );
        assert!(enforced.contains("s3.amazonaws.com"));
        permissions.principal_ids.clear();
        assert!(!permissions.enforced().contains("user/ann"), "without an id it is for nobody");
        permissions.principal_ids.insert("user".to_owned(), "AIDAAAAAAAAAAAAAAAAAA".to_owned());
        permissions.remove("user").unwrap();
        assert!(permissions.principal_ids.is_empty());
    }

    #[test]
    fn a_policy_beyond_twenty_kilobytes_is_refused() {
        let mut permissions = Permissions::default();
        let refused = (0..200).find_map(|index| {
            let id = format!("s{index}");
            let text =
                statement(&arn(), &AddPermissionInput { statement_id: id.clone(), ..input("*") }).unwrap();
            permissions.add(&id, text).err()
        });
        assert!(matches!(refused, Some(Error::PolicyLengthExceededException(_))));
    }
}
