//! `AWS::ApiGateway::Stage`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{REST_API_ID, map_patches, of_api, scalar_patches},
    kind::{Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::ApiGateway::Stage",
    maker: ("apigateway", "CreateStage"),
    properties: &[
        property("DeploymentId").to(To::Member("deploymentId")).required(),
        property("Description").to(To::Member("description")),
        REST_API_ID,
        property("StageName").to(To::Member("stageName")).replaces().required(),
        property("Tags").to(To::TagMap("tags")).replaces(),
        property("TracingEnabled").to(To::Member("tracingEnabled")),
        property("Variables").to(To::Member("variables")),
    ],
    attributes: &[],
    named_by: Some("StageName"),
    provisioner: &Stage,
};

struct Stage;

impl Provisioner for Stage {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.call("apigateway", "CreateStage", job.request()?).await?;
            Ok(Made::of(job.required("StageName")?, []))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut patches = scalar_patches(
                job,
                before,
                &[
                    ("DeploymentId", "/deploymentId"),
                    ("Description", "/description"),
                    ("TracingEnabled", "/tracingEnabled"),
                ],
            );
            patches.extend(map_patches(job, before, "Variables", "/variables"));
            let mut input = of_api(job)?;
            input.push("stageName", before.id.into());
            input.push("patchOperations", Document::List(patches));
            job.hand.call("apigateway", "UpdateStage", input).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let mut input = of_api(job)?;
            input.push("stageName", id.into());
            Ok(job.hand.remove("apigateway", "DeleteStage", input).await?)
        })
    }
}
