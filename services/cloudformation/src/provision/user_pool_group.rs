//! `AWS::Cognito::UserPoolGroup`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{NAME_MAX, default},
    kind::{Kind, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Cognito::UserPoolGroup",
    maker: ("cognito-idp", "CreateGroup"),
    properties: &[
        property("Description"),
        property("GroupName").replaces(),
        property("Precedence"),
        property("RoleArn"),
        property("UserPoolId").replaces().required(),
    ],
    attributes: &[],
    named_by: Some("GroupName"),
    provisioner: &Group,
};

struct Group;

impl Provisioner for Group {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name("GroupName", NAME_MAX);
            let mut request = job.request()?;
            default(&mut request, "GroupName", name.as_str().into());
            job.hand.call("cognito-idp", "CreateGroup", request).await?;
            Ok(Made::of(name, []))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for("cognito-idp", "UpdateGroup")?;
            default(&mut request, "GroupName", before.id.into());
            job.hand.call("cognito-idp", "UpdateGroup", request).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let pool = job.required("UserPoolId")?;
            let input = Document::structure([("UserPoolId", pool.into()), ("GroupName", id.into())]);
            Ok(job.hand.remove("cognito-idp", "DeleteGroup", input).await?)
        })
    }
}
