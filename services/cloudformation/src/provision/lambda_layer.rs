//! `AWS::Lambda::LayerVersion`. Every change is another version.
//!
//! DIVERGES: `Content` is a package that `casemate deploy` uploaded, not an object in S3.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::text,
    kind::{Form, Kind, To, property},
};
use crate::{
    packages,
    template::{Node, TemplateError},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Lambda::LayerVersion",
    maker: ("lambda", "PublishLayerVersion"),
    properties: &[
        property("CompatibleArchitectures").replaces(),
        property("CompatibleRuntimes").replaces(),
        property("Content").to(To::Own(Form::Any)).replaces().required(),
        property("Description").replaces(),
        property("LayerName").replaces(),
        property("LicenseInfo").replaces(),
    ],
    attributes: &["LayerVersionArn"],
    // Several versions may have one name.
    named_by: None,
    provisioner: &LayerVersion,
};

/// AWS: layer names have at most 64 characters in names that CloudFormation makes.
const NAME_MAX: usize = 64;

struct LayerVersion;

impl Provisioner for LayerVersion {
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        let Some(content) = properties.get("Content") else { return Ok(()) };
        packages::hash_of_code(content).map(drop).ok_or_else(|| {
            let text = "the content of a layer must be a local directory that `casemate deploy` packages \
                        (ContentUri of an AWS::Serverless::LayerVersion)";
            TemplateError::at(content.line, text)
        })
    }

    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let hash = job.properties.get("Content").and_then(packages::hash_of_code);
            let hash = hash.ok_or_else(|| Failure::from("there is no content"))?;
            let found = packages::read(job.hand.env, job.hand.scope, hash).await;
            let found = found.map_err(|fault| Failure::from(fault.message()))?;
            let archive = found.ok_or_else(|| {
                Failure::from("the package is not there any more; run `casemate deploy` again")
            })?;
            let mut request = job.request()?;
            let name = job.name("LayerName", NAME_MAX);
            super::gateway::default(&mut request, "LayerName", name.as_str().into());
            request.push("Content", Document::structure([("ZipFile", archive.into())]));
            let answer = job.hand.call("lambda", "PublishLayerVersion", request).await?;
            let arn = text(&answer, "LayerVersionArn");
            Ok(Made::of(arn.clone(), [("LayerVersionArn", arn)]))
        })
    }

    fn update<'a>(&'a self, _job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move { Ok(Made::unchanged(before)) })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let parts = id.rsplit_once(':').and_then(|(layer, number)| Some((layer, number.parse().ok()?)));
            let Some((layer, number)) = parts else { return Err("the layer version's id names none".into()) };
            let input = Document::structure([
                ("LayerName", layer.into()),
                ("VersionNumber", Document::Integer(number)),
            ]);
            Ok(job.hand.remove("lambda", "DeleteLayerVersion", input).await?)
        })
    }
}
