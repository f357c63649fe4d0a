//! `AWS::IAM::ServerCertificate`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{default, text},
    iam_holder::{Tagged, with},
    kind::{Kind, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::ServerCertificate",
    maker: ("iam", "UploadServerCertificate"),
    properties: &[
        property("CertificateBody").replaces().required(),
        property("CertificateChain").replaces(),
        property("Path"),
        property("PrivateKey").replaces().required(),
        property("ServerCertificateName").replaces(),
        property("Tags"),
    ],
    attributes: &["Arn"],
    named_by: Some(MEMBER),
    provisioner: &ServerCertificate,
};

/// AWS: names of server certificates have at most 128 characters.
const NAME_MAX: usize = 128;

const MEMBER: &str = "ServerCertificateName";
const TAGGED: Tagged =
    Tagged { member: MEMBER, tag: "TagServerCertificate", untag: "UntagServerCertificate" };

struct ServerCertificate;

impl Provisioner for ServerCertificate {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name(MEMBER, NAME_MAX);
            let mut request = job.request()?;
            default(&mut request, MEMBER, name.as_str().into());
            let answer = job.hand.call("iam", "UploadServerCertificate", request).await?;
            let arn = answer.get("ServerCertificateMetadata").map(|made| text(made, "Arn"));
            Ok(Made::of(name, [("Arn", arn.unwrap_or_default())]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            if job.properties.get("Path") != before.properties.get("Path") {
                let path = job.text("Path").unwrap_or_else(|| "/".to_owned());
                let input = with(named(before.id), "NewPath", path.into());
                job.hand.call("iam", "UpdateServerCertificate", input).await?;
            }
            TAGGED.retag(job, before).await?;
            let answer = job.hand.call("iam", "GetServerCertificate", named(before.id)).await?;
            let metadata =
                answer.get("ServerCertificate").and_then(|made| made.get("ServerCertificateMetadata"));
            let arn = metadata.map(|made| text(made, "Arn")).unwrap_or_default();
            Ok(Made::of(before.id, [("Arn", arn)]))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move { Ok(job.hand.remove("iam", "DeleteServerCertificate", named(id)).await?) })
    }
}

fn named(id: &str) -> Document {
    Document::structure([(MEMBER, id.into())])
}
