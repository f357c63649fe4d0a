//! What is stored, and under which keys. An API is one row, so that every change of it and every snapshot is one step.

use std::collections::BTreeMap;

use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    api::Error,
    definition::{Definition, RestApi},
};

impl Row for RestApi {
    const TABLE: &'static str = "apigateway.rest-api";
    const VERSION: u16 = 1;
}

/// Whose an API is: requests to it name no account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) scope: Scope,
}

impl Row for Owner {
    const TABLE: &'static str = "apigateway.owner";
    const VERSION: u16 = 1;
}

/// A snapshot. Its definition never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) definition: Definition,
}

impl Row for Deployment {
    const TABLE: &'static str = "apigateway.deployment";
    const VERSION: u16 = 1;
}

/// A name under which a deployment is served.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) deployment_id: String,
    pub(crate) description: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Kept and shown; there are no traces.
    #[serde(default)]
    pub(crate) tracing: bool,
    /// By `resource/VERB`, slashes of the resource written `~1`; `*/*` for all methods.
    #[serde(default)]
    pub(crate) method_settings: BTreeMap<String, MethodSetting>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// The throttling of a stage's methods. `None`: the account's; negative: none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct MethodSetting {
    /// Requests a second.
    pub(crate) rate_limit: Option<f64>,
    /// Requests at once.
    pub(crate) burst_limit: Option<i32>,
}

impl Row for Stage {
    const TABLE: &'static str = "apigateway.stage";
    const VERSION: u16 = 1;
}

/// The settings of an account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Kept and shown; nothing is logged with it.
    pub(crate) cloudwatch_role_arn: Option<String>,
}

impl Row for Account {
    const TABLE: &'static str = "apigateway.account";
    const VERSION: u16 = 1;
}

/// The row of an account's settings.
pub(crate) fn account_key(scope: &Scope) -> Key {
    Key::of(scope)
}

/// An API's row.
pub(crate) fn api_key(scope: &Scope, api_id: &str) -> Key {
    Key::of(scope).text(api_id)
}

/// The row that says whose an API is.
pub(crate) fn owner_key(api_id: &str) -> Key {
    Key::global().text(api_id)
}

/// A deployment's or stage's row.
pub(crate) fn part_key(scope: &Scope, api_id: &str, part: &str) -> Key {
    Key::of(scope).text(api_id).text(part)
}

/// Reads an API.
pub(crate) fn rest_api(tx: &ReadTx<'_>, scope: &Scope, api_id: &str) -> Result<RestApi, Error> {
    tx.get(&api_key(scope, api_id))?.ok_or_else(|| {
        // AWS: text of the service.
        let account = scope.account.as_str();
        Error::not_found_exception(format!("Invalid API identifier specified {account}:{api_id}"))
    })
}

/// Reads a deployment.
pub(crate) fn deployment(
    tx: &ReadTx<'_>,
    scope: &Scope,
    api_id: &str,
    id: &str,
) -> Result<Deployment, Error> {
    // AWS: text of the service.
    tx.get(&part_key(scope, api_id, id))?
        .ok_or_else(|| Error::not_found_exception("Invalid Deployment identifier specified"))
}

/// Reads a stage.
pub(crate) fn stage(tx: &ReadTx<'_>, scope: &Scope, api_id: &str, name: &str) -> Result<Stage, Error> {
    // AWS: text of the service.
    tx.get(&part_key(scope, api_id, name))?
        .ok_or_else(|| Error::not_found_exception("Invalid Stage identifier specified"))
}
