//! `AWS::Lambda::CodeSigningConfig`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{default, text},
    kind::{Kind, To, property},
    lambda_function::retag,
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Lambda::CodeSigningConfig",
    maker: ("lambda", "CreateCodeSigningConfig"),
    properties: &[
        property("AllowedPublishers").required(),
        property("CodeSigningPolicies"),
        property("Description"),
        property("Tags").to(To::TagMap("Tags")),
    ],
    attributes: &["CodeSigningConfigArn", "CodeSigningConfigId"],
    named_by: None,
    provisioner: &Signing,
};

struct Signing;

impl Provisioner for Signing {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call("lambda", "CreateCodeSigningConfig", job.request()?).await?;
            let config = answer.get("CodeSigningConfig").cloned().unwrap_or_default();
            let (arn, id) = (text(&config, "CodeSigningConfigArn"), text(&config, "CodeSigningConfigId"));
            Ok(Made::of(arn.clone(), [("CodeSigningConfigArn", arn), ("CodeSigningConfigId", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for("lambda", "UpdateCodeSigningConfig")?;
            request.push("CodeSigningConfigArn", before.id.into());
            default(&mut request, "Description", "".into());
            let warn = Document::structure([("UntrustedArtifactOnDeployment", "Warn".into())]);
            default(&mut request, "CodeSigningPolicies", warn);
            job.hand.call("lambda", "UpdateCodeSigningConfig", request).await?;
            if job.kind.changed(before.properties, job.properties).iter().any(|one| one.name == "Tags") {
                retag(job, before, "CodeSigningConfigArn").await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("CodeSigningConfigArn", id.into())]);
            Ok(job.hand.remove("lambda", "DeleteCodeSigningConfig", input).await?)
        })
    }
}
