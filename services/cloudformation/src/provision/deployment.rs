//! `AWS::ApiGateway::Deployment`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{REST_API_ID, of_api, scalar_patches, text},
    kind::{Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::ApiGateway::Deployment",
    maker: ("apigateway", "CreateDeployment"),
    properties: &[
        property("Description").to(To::Member("description")),
        REST_API_ID,
        property("StageName").to(To::Member("stageName")).replaces(),
    ],
    attributes: &["DeploymentId"],
    named_by: None,
    provisioner: &Deployment,
};

struct Deployment;

impl Provisioner for Deployment {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call("apigateway", "CreateDeployment", job.request()?).await?;
            let id = text(&answer, "id");
            Ok(Made::of(id.clone(), [("DeploymentId", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut input = of_api(job)?;
            input.push("deploymentId", before.id.into());
            let patches = scalar_patches(job, before, &[("Description", "/description")]);
            input.push("patchOperations", Document::List(patches));
            job.hand.call("apigateway", "UpdateDeployment", input).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            if let Some(stage) = job.text("StageName") {
                // A stage made by the deployment itself goes with it.
                let mut input = of_api(job)?;
                input.push("stageName", stage.into());
                job.hand.remove("apigateway", "DeleteStage", input).await?;
            }
            let mut input = of_api(job)?;
            input.push("deploymentId", id.into());
            Ok(job.hand.remove("apigateway", "DeleteDeployment", input).await?)
        })
    }
}
