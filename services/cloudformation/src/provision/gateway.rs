//! The plain objects of a REST API: resources, models, request validators, gateway responses; and what all objects of one have
//! in common.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    kind::{Kind, Property, To, property},
};
use crate::template::Node;

pub(super) const RESOURCE: Kind = Kind {
    name: "AWS::ApiGateway::Resource",
    maker: ("apigateway", "CreateResource"),
    properties: &[
        property("ParentId").to(To::Member("parentId")).replaces().required(),
        property("PathPart").to(To::Member("pathPart")).replaces().required(),
        REST_API_ID,
    ],
    attributes: &["ResourceId"],
    named_by: None,
    provisioner: &Child { delete: "DeleteResource", id: "id", label: "resourceId", attribute: "ResourceId" },
};

pub(super) const REQUEST_VALIDATOR: Kind = Kind {
    name: "AWS::ApiGateway::RequestValidator",
    maker: ("apigateway", "CreateRequestValidator"),
    properties: &[
        property("Name").to(To::Member("name")).replaces(),
        property("ValidateRequestBody").to(To::Member("validateRequestBody")).replaces(),
        property("ValidateRequestParameters").to(To::Member("validateRequestParameters")).replaces(),
        REST_API_ID,
    ],
    attributes: &["RequestValidatorId"],
    named_by: None,
    provisioner: &Child {
        delete: "DeleteRequestValidator",
        id: "id",
        label: "requestValidatorId",
        attribute: "RequestValidatorId",
    },
};

pub(super) const MODEL: Kind = Kind {
    name: "AWS::ApiGateway::Model",
    maker: ("apigateway", "CreateModel"),
    properties: &[
        property("ContentType").to(To::Member("contentType")).replaces(),
        property("Description").to(To::Member("description")).replaces(),
        property("Name").to(To::Member("name")).replaces(),
        property("Schema").to(To::Json("schema")).replaces(),
        REST_API_ID,
    ],
    attributes: &[],
    named_by: Some("Name"),
    provisioner: &Child { delete: "DeleteModel", id: "name", label: "modelName", attribute: "" },
};

pub(super) const RESPONSE: Kind = Kind {
    name: "AWS::ApiGateway::GatewayResponse",
    maker: ("apigateway", "PutGatewayResponse"),
    properties: &[
        property("ResponseParameters").to(To::Member("responseParameters")),
        property("ResponseTemplates").to(To::Member("responseTemplates")),
        property("ResponseType").to(To::Member("responseType")).replaces().required(),
        property("StatusCode").to(To::Member("statusCode")),
        REST_API_ID,
    ],
    attributes: &["Id"],
    named_by: None,
    provisioner: &GatewayResponse,
};

/// The API an object belongs to.
pub(super) const REST_API_ID: Property =
    property("RestApiId").to(To::Member("restApiId")).replaces().required();

/// An object of an API that is made and deleted, never changed.
struct Child {
    delete: &'static str,
    /// Member of the answer that identifies it.
    id: &'static str,
    /// Member of the deletion's input that takes it.
    label: &'static str,
    /// Attribute that shows it, if there is one.
    attribute: &'static str,
}

impl Provisioner for Child {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let (service, operation) = job.kind.maker;
            let mut request = job.request()?;
            if operation == "CreateModel" {
                // AWS: a model without a name is given one; only letters and digits are allowed in it.
                let name = job.name("Name", NAME_MAX);
                let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
                default(&mut request, "name", name.into());
                default(&mut request, "contentType", "application/json".into());
            }
            let answer = job.hand.call(service, operation, request).await?;
            let id = text(&answer, self.id);
            Ok(Made::of(id.clone(), [(self.attribute, id)]))
        })
    }

    fn update<'a>(&'a self, _job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move { Ok(Made::unchanged(before)) })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let mut input = of_api(job)?;
            input.push(self.label, id.into());
            Ok(job.hand.remove("apigateway", self.delete, input).await?)
        })
    }
}

struct GatewayResponse;

impl Provisioner for GatewayResponse {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.call("apigateway", "PutGatewayResponse", job.request()?).await?;
            let id = job.required("ResponseType")?;
            Ok(Made::of(id.clone(), [("Id", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.call("apigateway", "PutGatewayResponse", job.request()?).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let mut input = of_api(job)?;
            input.push("responseType", id.into());
            Ok(job.hand.remove("apigateway", "DeleteGatewayResponse", input).await?)
        })
    }
}

/// Longest generated name of an object of an API. Our own figure, well below AWS's limits.
pub(super) const NAME_MAX: usize = 64;

/// An input that names the API.
pub(super) fn of_api(job: &Job<'_>) -> Result<Document, Failure> {
    Ok(Document::structure([("restApiId", job.required("RestApiId")?.into())]))
}

/// The text of a member of an answer.
pub(super) fn text(answer: &Document, member: &str) -> String {
    answer.get(member).and_then(Document::as_str).unwrap_or_default().to_owned()
}

/// Sets a member that is not there.
pub(super) fn default(request: &mut Document, member: &str, value: Document) {
    if request.get(member).is_none() {
        request.push(member, value);
    }
}

/// One operation of a patch.
pub(super) fn patch(op: &str, path: &str, value: Option<String>) -> Document {
    Document::structure([("op", op.into()), ("path", path.into()), ("value", value.into())])
}

/// Patches for properties that are scalars: replaced where they differ.
pub(super) fn scalar_patches(job: &Job<'_>, before: &Before<'_>, paths: &[(&str, &str)]) -> Vec<Document> {
    paths
        .iter()
        .filter(|(name, _)| job.properties.get(name) != before.properties.get(name))
        .map(|(name, path)| {
            let value = job.properties.get(name).map(super::kind::json_text_or_scalar).unwrap_or_default();
            patch("replace", path, Some(value))
        })
        .collect()
}

/// Patches for a property that is a map of texts.
pub(super) fn map_patches(job: &Job<'_>, before: &Before<'_>, name: &str, path: &str) -> Vec<Document> {
    let (now, then) = (job.properties.get(name), before.properties.get(name));
    let mut patches = Vec::new();
    for entry in then.map_or(&[][..], Node::entries) {
        if now.is_none_or(|now| now.get(&entry.key).is_none()) {
            patches.push(patch("remove", &format!("{path}/{}", entry.key), None));
        }
    }
    for entry in now.map_or(&[][..], Node::entries) {
        if then.and_then(|then| then.get(&entry.key)) != Some(&entry.node) {
            patches.push(patch("replace", &format!("{path}/{}", entry.key), entry.node.scalar()));
        }
    }
    patches
}
