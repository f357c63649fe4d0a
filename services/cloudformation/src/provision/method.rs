//! `AWS::ApiGateway::Method`: a method with its responses, its integration, and the integration's responses.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    convert::{self, Stage},
    gateway::{REST_API_ID, of_api},
    kind::{Form, Kind, To, property},
};
use crate::template::{Node, TemplateError};

pub(super) const KIND: Kind = Kind {
    name: "AWS::ApiGateway::Method",
    maker: ("apigateway", "PutMethod"),
    properties: &[
        property("ApiKeyRequired").to(To::Member("apiKeyRequired")),
        property("AuthorizationScopes").to(To::Member("authorizationScopes")),
        property("AuthorizationType").to(To::Member("authorizationType")),
        property("AuthorizerId").to(To::Member("authorizerId")),
        property("HttpMethod").to(To::Member("httpMethod")).replaces().required(),
        property("Integration").to(To::Own(Form::Object(INTEGRATION))),
        property("MethodResponses").to(To::Own(Form::Objects(METHOD_RESPONSE))),
        property("OperationName").to(To::Member("operationName")),
        property("RequestModels").to(To::Member("requestModels")),
        property("RequestParameters").to(To::Member("requestParameters")),
        property("RequestValidatorId").to(To::Member("requestValidatorId")),
        property("ResourceId").to(To::Member("resourceId")).replaces().required(),
        REST_API_ID,
    ],
    attributes: &[],
    named_by: None,
    provisioner: &Method,
};

const METHOD_RESPONSE: &[&str] = &["StatusCode", "ResponseModels", "ResponseParameters"];
const INTEGRATION_RESPONSE: &[&str] =
    &["StatusCode", "SelectionPattern", "ResponseParameters", "ResponseTemplates", "ContentHandling"];
const INTEGRATION: &[&str] = &[
    "CacheKeyParameters",
    "CacheNamespace",
    "ConnectionId",
    "ConnectionType",
    "ContentHandling",
    "Credentials",
    "IntegrationHttpMethod",
    "IntegrationResponses",
    "PassthroughBehavior",
    "RequestParameters",
    "RequestTemplates",
    "TimeoutInMillis",
    "Type",
    "Uri",
];

struct Method;

impl Provisioner for Method {
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        let responses = properties.get("Integration").and_then(|node| node.get("IntegrationResponses"));
        let unknown = responses.map_or(&[][..], Node::items).iter().flat_map(Node::entries);
        let unknown = unknown.into_iter().find(|entry| !INTEGRATION_RESPONSE.contains(&entry.key.as_str()));
        unknown.map_or(Ok(()), |entry| {
            Err(TemplateError::at(entry.line, format!("Encountered unsupported property {}", entry.key)))
        })
    }

    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let id = job.name("", super::gateway::NAME_MAX);
            put(job).await.map_err(|failure| failure.after(&id))?;
            Ok(Made::of(id, []))
        })
    }

    /// Deleted and put again: what is deployed is a snapshot, so nobody sees the gap.
    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.remove("apigateway", "DeleteMethod", at(job)?).await?;
            put(job).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move { Ok(job.hand.remove("apigateway", "DeleteMethod", at(job)?).await?) })
    }
}

/// Which method.
fn at(job: &Job<'_>) -> Result<Document, Failure> {
    let mut input = of_api(job)?;
    input.push("resourceId", job.required("ResourceId")?.into());
    input.push("httpMethod", job.required("HttpMethod")?.into());
    Ok(input)
}

async fn put(job: &Job<'_>) -> Result<(), Failure> {
    let mut request = job.request()?;
    super::gateway::default(&mut request, "authorizationType", "NONE".into());
    job.hand.call("apigateway", "PutMethod", request).await?;
    for response in job.properties.get("MethodResponses").map_or(&[][..], Node::items) {
        call_with(job, "PutMethodResponse", response, &[]).await?;
    }
    let Some(integration) = job.properties.get("Integration") else { return Ok(()) };
    call_with(job, "PutIntegration", integration, &["IntegrationResponses"]).await?;
    for response in integration.get("IntegrationResponses").map_or(&[][..], Node::items) {
        call_with(job, "PutIntegrationResponse", response, &[]).await?;
    }
    Ok(())
}

/// Calls an operation on the method with everything in `node` but `without`.
async fn call_with(
    job: &Job<'_>,
    operation: &'static str,
    node: &Node,
    without: &[&str],
) -> Result<(), Failure> {
    let schema = job.hand.operation("apigateway", operation)?.input;
    let mut request = at(job)?;
    for entry in node.entries().iter().filter(|entry| !without.contains(&entry.key.as_str())) {
        let member = convert::member_of(schema, &entry.key).ok_or_else(|| {
            TemplateError::at(entry.line, format!("Encountered unsupported property {}", entry.key))
        })?;
        request.push(member.name, convert::document(&entry.node, (member.schema)(), Stage::Evaluated)?);
    }
    job.hand.call("apigateway", operation, request).await?;
    Ok(())
}
