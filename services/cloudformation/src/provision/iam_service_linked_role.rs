//! `AWS::IAM::ServiceLinkedRole`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::text,
    kind::{Kind, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::ServiceLinkedRole",
    maker: ("iam", "CreateServiceLinkedRole"),
    properties: &[
        property("AWSServiceName").replaces().required(),
        property("CustomSuffix").replaces(),
        property("Description"),
    ],
    attributes: &["RoleName"],
    named_by: None,
    provisioner: &ServiceLinkedRole,
};

struct ServiceLinkedRole;

impl Provisioner for ServiceLinkedRole {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call("iam", "CreateServiceLinkedRole", job.request()?).await?;
            let name = answer.get("Role").map(|role| text(role, "RoleName")).unwrap_or_default();
            Ok(Made::of(name.clone(), [("RoleName", name)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let description = job.text("Description").unwrap_or_default();
            let input =
                Document::structure([("RoleName", before.id.into()), ("Description", description.into())]);
            job.hand.call("iam", "UpdateRole", input).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("RoleName", id.into())]);
            Ok(job.hand.remove("iam", "DeleteServiceLinkedRole", input).await?)
        })
    }
}
