//! `AWS::IAM::Policy`: one inline policy, put into groups, roles and users.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    kind::{Form, Kind, To, json_text, property},
};
use crate::template::Node;

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::Policy",
    maker: ("iam", "PutRolePolicy"),
    properties: &[
        property("Groups").to(To::Own(Form::Texts)),
        property("PolicyDocument").to(To::Json("PolicyDocument")).required(),
        property("PolicyName").to(To::Own(Form::Text)).replaces().required(),
        property("Roles").to(To::Own(Form::Texts)),
        property("Users").to(To::Own(Form::Texts)),
    ],
    attributes: &["Id"],
    named_by: None,
    provisioner: &Policy,
};

struct Policy;

/// Where an inline policy goes: its holders' property, the operations, and the member that names a holder.
const HOLDERS: [(&str, &str, &str, &str); 3] = [
    ("Groups", "PutGroupPolicy", "DeleteGroupPolicy", "GroupName"),
    ("Roles", "PutRolePolicy", "DeleteRolePolicy", "RoleName"),
    ("Users", "PutUserPolicy", "DeleteUserPolicy", "UserName"),
];

impl Provisioner for Policy {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let id = job.name("", super::gateway::NAME_MAX);
            put(job).await.map_err(|failure| failure.after(&id))?;
            Ok(Made::of(id.clone(), [("Id", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            put(job).await?;
            take(job, before.properties, Some(job.properties)).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move { take(job, job.properties, None).await })
    }
}

async fn put(job: &Job<'_>) -> Result<(), Failure> {
    let name = job.required("PolicyName")?;
    let document = job.properties.get("PolicyDocument").map(json_text);
    for (property, put, _, member) in HOLDERS {
        for holder in holders(job.properties, property) {
            let input = Document::structure([
                (member, holder.into()),
                ("PolicyName", name.as_str().into()),
                ("PolicyDocument", document.clone().into()),
            ]);
            job.hand.call("iam", put, input).await?;
        }
    }
    Ok(())
}

/// Takes the policy from holders in `from` that are not in `kept`.
async fn take(job: &Job<'_>, from: &Node, kept: Option<&Node>) -> Result<(), Failure> {
    let name = from.get("PolicyName").and_then(Node::scalar);
    for (property, _, delete, member) in HOLDERS {
        let kept = kept.map(|kept| holders(kept, property)).unwrap_or_default();
        for holder in holders(from, property).into_iter().filter(|holder| !kept.contains(holder)) {
            let input = Document::structure([(member, holder.into()), ("PolicyName", name.clone().into())]);
            job.hand.remove("iam", delete, input).await?;
        }
    }
    Ok(())
}

/// The names in a property.
pub(super) fn holders(properties: &Node, property: &str) -> Vec<String> {
    properties.get(property).map_or(&[][..], Node::items).iter().filter_map(Node::scalar).collect()
}
