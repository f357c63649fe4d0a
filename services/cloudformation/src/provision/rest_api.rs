//! `AWS::ApiGateway::RestApi`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{NAME_MAX, default, scalar_patches, text},
    kind::{Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::ApiGateway::RestApi",
    maker: ("apigateway", "CreateRestApi"),
    // DIVERGES: no OpenAPI `Body` yet; resources and methods are resources of the template.
    properties: &[
        property("ApiKeySourceType").to(To::Member("apiKeySource")).replaces(),
        property("BinaryMediaTypes").to(To::Member("binaryMediaTypes")).replaces(),
        property("Description").to(To::Member("description")),
        property("DisableExecuteApiEndpoint").to(To::Member("disableExecuteApiEndpoint")),
        property("EndpointConfiguration").to(To::Member("endpointConfiguration")).replaces(),
        property("MinimumCompressionSize").to(To::Member("minimumCompressionSize")),
        property("Name").to(To::Member("name")),
        property("Policy").to(To::Json("policy")),
        property("Tags").to(To::TagMap("tags")).replaces(),
    ],
    attributes: &["RootResourceId", "RestApiId"],
    named_by: None,
    provisioner: &RestApi,
};

struct RestApi;

impl Provisioner for RestApi {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            default(&mut request, "name", job.name("Name", NAME_MAX).into());
            let answer = job.hand.call("apigateway", "CreateRestApi", request).await?;
            let id = text(&answer, "id");
            let attributes = [("RootResourceId", text(&answer, "rootResourceId")), ("RestApiId", id.clone())];
            if attributes.iter().all(|(_, value)| !value.is_empty()) {
                return Ok(Made::of(id, attributes));
            }
            let root = root_of(job, &id).await.map_err(|failure| failure.after(&id))?;
            Ok(Made::of(id.clone(), [("RootResourceId", root), ("RestApiId", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let paths = [
                ("Description", "/description"),
                ("DisableExecuteApiEndpoint", "/disableExecuteApiEndpoint"),
                ("MinimumCompressionSize", "/minimumCompressionSize"),
                ("Name", "/name"),
                ("Policy", "/policy"),
            ];
            let patches = scalar_patches(job, before, &paths);
            let input = Document::structure([
                ("restApiId", before.id.into()),
                ("patchOperations", Document::List(patches)),
            ]);
            job.hand.call("apigateway", "UpdateRestApi", input).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("restApiId", id.into())]);
            Ok(job.hand.remove("apigateway", "DeleteRestApi", input).await?)
        })
    }
}

/// The id of the root resource, where making the API did not tell it.
async fn root_of(job: &Job<'_>, id: &str) -> Result<String, super::Failure> {
    let input = Document::structure([("restApiId", id.into())]);
    let answer = job.hand.call("apigateway", "GetResources", input).await?;
    let items = answer.get("items").map_or(&[][..], Document::items);
    let root = items.iter().find(|item| text(item, "path") == "/");
    Ok(root.map(|root| text(root, "id")).unwrap_or_default())
}
