//! `AWS::IAM::Group`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::default,
    iam_holder::{GROUP, check_managed, with},
    kind::{Form, Kind, To, property},
};
use crate::template::{Node, TemplateError};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::Group",
    maker: ("iam", "CreateGroup"),
    properties: &[
        property("GroupName").replaces(),
        property("ManagedPolicyArns").to(To::Own(Form::Texts)),
        property("Path"),
        property("Policies").to(To::Own(Form::Objects(&["PolicyName", "PolicyDocument"]))),
    ],
    attributes: &["Arn"],
    named_by: Some("GroupName"),
    provisioner: &Group,
};

/// AWS: group names have at most 128 characters.
const NAME_MAX: usize = 128;

struct Group;

impl Provisioner for Group {
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        check_managed(properties)
    }

    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name("GroupName", NAME_MAX);
            let mut request = job.request()?;
            default(&mut request, "GroupName", name.as_str().into());
            let answer = job.hand.call("iam", "CreateGroup", request).await?;
            GROUP.give(job, &name).await.map_err(|failure| failure.after(&name))?;
            Ok(Made::of(name, [("Arn", arn(&answer))]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let path = job.text("Path").unwrap_or_else(|| "/".to_owned());
            let moved = with(GROUP.named(before.id), "NewPath", path.into());
            job.hand.call("iam", "UpdateGroup", moved).await?;
            GROUP.take(job, before).await?;
            GROUP.give(job, before.id).await?;
            let answer = job.hand.call("iam", "GetGroup", GROUP.named(before.id)).await?;
            Ok(Made::of(before.id, [("Arn", arn(&answer))]))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            if GROUP.strip(job, id).await? {
                job.hand.remove("iam", "DeleteGroup", GROUP.named(id)).await?;
            }
            Ok(())
        })
    }
}

fn arn(answer: &Document) -> String {
    answer.get("Group").map(|group| super::gateway::text(group, "Arn")).unwrap_or_default()
}
