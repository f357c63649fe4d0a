//! `AWS::ApiGateway::Authorizer`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{NAME_MAX, REST_API_ID, default, of_api, patch, scalar_patches, text},
    kind::{Kind, To, property},
};
use crate::template::Node;

pub(super) const KIND: Kind = Kind {
    name: "AWS::ApiGateway::Authorizer",
    maker: ("apigateway", "CreateAuthorizer"),
    properties: &[
        property("AuthType").to(To::Member("authType")),
        property("AuthorizerCredentials").to(To::Member("authorizerCredentials")),
        property("AuthorizerResultTtlInSeconds").to(To::Member("authorizerResultTtlInSeconds")),
        property("AuthorizerUri").to(To::Member("authorizerUri")),
        property("IdentitySource").to(To::Member("identitySource")),
        property("IdentityValidationExpression").to(To::Member("identityValidationExpression")),
        property("Name").to(To::Member("name")),
        property("ProviderARNs").to(To::Member("providerARNs")),
        REST_API_ID,
        property("Type").to(To::Member("type")).replaces().required(),
    ],
    attributes: &["AuthorizerId"],
    named_by: None,
    provisioner: &Authorizer,
};

struct Authorizer;

impl Provisioner for Authorizer {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            default(&mut request, "name", job.name("Name", NAME_MAX).into());
            let answer = job.hand.call("apigateway", "CreateAuthorizer", request).await?;
            let id = text(&answer, "id");
            Ok(Made::of(id.clone(), [("AuthorizerId", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut patches = scalar_patches(
                job,
                before,
                &[
                    ("AuthType", "/authType"),
                    ("AuthorizerCredentials", "/authorizerCredentials"),
                    ("AuthorizerResultTtlInSeconds", "/authorizerResultTtlInSeconds"),
                    ("AuthorizerUri", "/authorizerUri"),
                    ("IdentitySource", "/identitySource"),
                    ("IdentityValidationExpression", "/identityValidationExpression"),
                    ("Name", "/name"),
                ],
            );
            let pools = |node: &Node| -> Vec<String> {
                node.get("ProviderARNs")
                    .map_or(&[][..], Node::items)
                    .iter()
                    .filter_map(Node::scalar)
                    .collect()
            };
            let (now, then) = (pools(job.properties), pools(before.properties));
            let added = now.iter().filter(|arn| !then.contains(arn));
            patches.extend(added.map(|arn| patch("add", "/providerARNs", Some(arn.clone()))));
            let gone = then.iter().filter(|arn| !now.contains(arn));
            patches.extend(gone.map(|arn| patch("remove", "/providerARNs", Some(arn.clone()))));
            let mut input = of_api(job)?;
            input.push("authorizerId", before.id.into());
            input.push("patchOperations", Document::List(patches));
            job.hand.call("apigateway", "UpdateAuthorizer", input).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let mut input = of_api(job)?;
            input.push("authorizerId", id.into());
            Ok(job.hand.remove("apigateway", "DeleteAuthorizer", input).await?)
        })
    }
}
