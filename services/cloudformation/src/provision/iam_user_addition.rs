//! `AWS::IAM::UserToGroupAddition`: users that are put into a group.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    iam_policy::holders,
    kind::{Form, Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::UserToGroupAddition",
    maker: ("iam", "AddUserToGroup"),
    properties: &[
        property("GroupName").replaces().required(),
        property("Users").to(To::Own(Form::Texts)).required(),
    ],
    attributes: &["Id"],
    named_by: None,
    provisioner: &Addition,
};

struct Addition;

impl Provisioner for Addition {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let id = job.name("", super::gateway::NAME_MAX);
            for user in holders(job.properties, "Users") {
                let input = pair(job.required("GroupName")?, user);
                let added = job.hand.call("iam", "AddUserToGroup", input).await;
                added.map_err(|error| super::Failure::from(error).after(&id))?;
            }
            Ok(Made::of(id.clone(), [("Id", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let (now, then) = (holders(job.properties, "Users"), holders(before.properties, "Users"));
            for user in now.iter().filter(|user| !then.contains(user)) {
                let input = pair(job.required("GroupName")?, user.clone());
                job.hand.call("iam", "AddUserToGroup", input).await?;
            }
            for user in then.into_iter().filter(|user| !now.contains(user)) {
                job.hand.remove("iam", "RemoveUserFromGroup", pair(job.required("GroupName")?, user)).await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            for user in holders(job.properties, "Users") {
                job.hand.remove("iam", "RemoveUserFromGroup", pair(job.required("GroupName")?, user)).await?;
            }
            Ok(())
        })
    }
}

fn pair(group: String, user: String) -> Document {
    Document::structure([("GroupName", group.into()), ("UserName", user.into())])
}
