//! `CreateRestApi`: makes an empty API with its root resource.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{CreateRestApi, CreateRestApiInput, CreateRestApiOutput, EndpointType, Error},
    checks,
    definition::{Definition, Resource, RestApi},
    passing::{self, with_tags},
    resource, rows, view,
};

impl Operation<CreateRestApi> for ApiGateway {
    fn access(&self, input: &CreateRestApiInput, caller: &Caller) -> Result<Access, Error> {
        let mut access = with_tags(self.on("apigateway:POST", caller, "/restapis"), input.tags.as_ref());
        // AWS: a policy needs a permission of its own (service authorization reference).
        if input.policy.is_some() {
            let arn = resource::arn(&self.scope(caller), "/restapis");
            access = access.and(passing::ask("apigateway:UpdateRestApiPolicy", arn));
        }
        Ok(access)
    }

    async fn run(&self, call: Call<CreateRestApi>) -> Result<CreateRestApiOutput, Error> {
        let input = &call.input;
        refuse_unsupported(input)?;
        let (api_id, root_id) = (self.id("apigateway.rest-api", 10), self.id("apigateway.resource", 10));
        let policy = input.policy.clone().filter(|text| !text.is_empty());
        checks::policy(call.scope(), &api_id, policy.as_deref())?;
        let policy_ids = checks::policy_ids(&self.env, policy.as_deref())?;
        let root = Resource {
            id: root_id.clone(),
            parent_id: None,
            path_part: String::new(),
            methods: BTreeMap::new(),
        };
        let types =
            input.endpoint_configuration.as_ref().and_then(|configuration| configuration.types.as_ref());
        let api = RestApi {
            id: api_id,
            name: input.name.clone(),
            description: input.description.clone(),
            version: input.version.clone(),
            created_at: call.now(),
            endpoint_types: types.map_or_else(
                || vec!["EDGE".to_owned()],
                |types| types.iter().map(|kind| kind.as_str().to_owned()).collect(),
            ),
            tags: input.tags.clone().unwrap_or_default(),
            definition: Definition {
                resources: BTreeMap::from([(root_id.clone(), root)]),
                root_resource_id: root_id,
                policy,
                policy_ids,
                binary_media_types: input.binary_media_types.clone().unwrap_or_default(),
                disable_execute_api_endpoint: input.disable_execute_api_endpoint.unwrap_or(false),
                ..Definition::default()
            },
        };
        let scope = call.scope().clone();
        self.env
            .store
            .write(move |tx| {
                let owner = rows::owner_key(&api.id);
                if tx.exists::<rows::Owner>(&owner)? {
                    return Err(Error::conflict_exception("The API identifier was drawn twice; try again"));
                }
                tx.put(&owner, &rows::Owner { scope: scope.clone() })?;
                tx.put(&rows::api_key(&scope, &api.id), &api)?;
                Ok(view::rest_api(&api))
            })
            .await
    }
}

fn refuse_unsupported(input: &CreateRestApiInput) -> Result<(), Error> {
    let types = input.endpoint_configuration.as_ref().and_then(|c| c.types.as_deref()).unwrap_or_default();
    let unsupported = [
        ("cloneFrom", input.clone_from.is_some()),
        ("minimumCompressionSize", input.minimum_compression_size.is_some()),
        ("apiKeySource AUTHORIZER", input.api_key_source == Some(crate::api::ApiKeySourceType::Authorizer)),
        ("endpoint type PRIVATE", types.contains(&EndpointType::Private)),
    ];
    match unsupported.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(checks::bad(format!("{what} is not supported"))),
        None => Ok(()),
    }
}
