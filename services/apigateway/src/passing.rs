//! What several operations ask of the gate in the same way: roles handed over, and tags.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Ask};
use casemate_names::{Arn, Scope};

use crate::{
    ApiGateway,
    api::{Error, PatchOperation},
    checks::bad,
    definition::RestApi,
    resource::{self, Tagged},
    rows,
};

/// Asks for an action on a resource of the control plane.
// DIVERGES: AWS tells policies what a request and an API contain (`apigateway:Request/EndpointType`, …). Here all of that is
// unknown: what a policy allows by it it does not allow, and what it denies by it it denies.
pub(crate) fn ask(action: &'static str, resource: Arn) -> Ask {
    let ask = Ask::on(action, resource).with_unknown("apigateway:Resource/*");
    // What is only read or removed has no contents in the request.
    match action {
        "apigateway:GET" | "apigateway:DELETE" => ask,
        _ => ask.with_unknown("apigateway:Request/*"),
    }
}

/// Shows the tags that something is made with to conditions.
pub(crate) fn with_tags(access: Access, tags: Option<&BTreeMap<String, String>>) -> Access {
    let Access::Iam(asks) = access else { return access };
    let tags = tags.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    Access::Iam(asks.into_iter().map(|ask| ask.with_request_tags(tags.clone())).collect())
}

/// Adds the permission to hand a role over, where one is given.
// AWS: credentials of integrations and authorizers need iam:PassRole (developer guide, "API Gateway permissions model").
pub(crate) fn with_passed_roles<'r>(access: Access, roles: impl IntoIterator<Item = &'r str>) -> Access {
    let roles = roles.into_iter().filter_map(|role| Arn::parse(role).ok());
    roles.fold(access, |access, role| {
        let ask = Ask::on("iam:PassRole", role);
        access.and(ask.with("iam:PassedToService", "apigateway.amazonaws.com"))
    })
}

/// The values that operations set at `path`.
pub(crate) fn patched_value<'p>(
    operations: Option<&'p Vec<PatchOperation>>,
    path: &'static str,
) -> impl Iterator<Item = &'p str> {
    let at_path = operations.into_iter().flatten().filter(move |patch| patch.path.as_deref() == Some(path));
    at_path.filter_map(|patch| patch.value.as_deref()).filter(|value| !value.is_empty())
}

/// The ask of a tagging operation.
// AWS: its resource is `/tags/{arn}` with the ARN percent-encoded (service authorization reference).
pub(crate) fn tag_ask(action: &'static str, scope: &Scope, text: &str) -> Result<Ask, Error> {
    let (arn, _) = tagged(scope, text)?;
    let encoded = arn.as_str().replace(':', "%3A").replace('/', "%2F");
    Ok(ask(action, resource::arn(scope, &format!("/tags/{encoded}"))))
}

fn tagged(scope: &Scope, text: &str) -> Result<(Arn, String), Error> {
    // AWS: text of the service.
    let invalid = || bad("Invalid resource ARN specified in the request");
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    let api_id = match resource::tagged(scope, &arn).ok_or_else(invalid)? {
        Tagged::RestApi(api_id) | Tagged::Stage(api_id, _) => api_id.to_owned(),
    };
    Ok((arn, api_id))
}

impl ApiGateway {
    /// The tags of an API or stage of the caller's.
    pub(crate) fn tags_of(&self, scope: &Scope, text: &str) -> Result<BTreeMap<String, String>, Error> {
        let (arn, api_id) = tagged(scope, text)?;
        self.env.store.read(|tx| {
            let api = rows::rest_api(tx, scope, &api_id)?;
            match resource::tagged(scope, &arn) {
                Some(Tagged::Stage(_, name)) => Ok(rows::stage(tx, scope, &api_id, name)?.tags),
                _ => Ok(api.tags),
            }
        })
    }

    /// Changes the tags of an API or stage of the caller's.
    pub(crate) async fn change_tags(
        &self,
        scope: &Scope,
        text: &str,
        change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (arn, api_id) = tagged(scope, text)?;
        let scope = scope.clone();
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let mut api: RestApi = rows::rest_api(tx, &scope, &api_id)?;
            if let Some(Tagged::Stage(_, name)) = resource::tagged(&scope, &arn) {
                let mut stage = rows::stage(tx, &scope, &api_id, name)?;
                change(&mut stage.tags)?;
                return Ok(tx.put(&rows::part_key(&scope, &api_id, name), &stage)?);
            }
            change(&mut api.tags)?;
            Ok(tx.put(&rows::api_key(&scope, &api_id), &api)?)
        };
        self.env.store.write(write).await
    }
}
