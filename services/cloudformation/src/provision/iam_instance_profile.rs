//! `AWS::IAM::InstanceProfile`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::{default, text},
    iam_holder::with,
    iam_policy::holders,
    kind::{Form, Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::InstanceProfile",
    maker: ("iam", "CreateInstanceProfile"),
    properties: &[
        property("InstanceProfileName").replaces(),
        property("Path").replaces(),
        property("Roles").to(To::Own(Form::Texts)).required(),
    ],
    attributes: &["Arn"],
    named_by: Some("InstanceProfileName"),
    provisioner: &InstanceProfile,
};

/// AWS: instance profile names have at most 128 characters.
const NAME_MAX: usize = 128;

const MEMBER: &str = "InstanceProfileName";

struct InstanceProfile;

impl Provisioner for InstanceProfile {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name(MEMBER, NAME_MAX);
            let mut request = job.request()?;
            default(&mut request, MEMBER, name.as_str().into());
            let answer = job.hand.call("iam", "CreateInstanceProfile", request).await?;
            for role in holders(job.properties, "Roles") {
                add(job, &name, role).await.map_err(|failure| failure.after(&name))?;
            }
            let arn = answer.get("InstanceProfile").map(|profile| text(profile, "Arn")).unwrap_or_default();
            Ok(Made::of(name, [("Arn", arn)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let (now, then) = (holders(job.properties, "Roles"), holders(before.properties, "Roles"));
            // A profile has one role: the old one makes room for the new one.
            for role in then.iter().filter(|role| !now.contains(role)) {
                remove(job, before.id, role).await?;
            }
            for role in now.into_iter().filter(|role| !then.contains(role)) {
                add(job, before.id, role).await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            for role in holders(job.properties, "Roles") {
                remove(job, id, &role).await?;
            }
            Ok(job.hand.remove("iam", "DeleteInstanceProfile", named(id)).await?)
        })
    }
}

fn named(id: &str) -> Document {
    Document::structure([(MEMBER, id.into())])
}

async fn add(job: &Job<'_>, id: &str, role: String) -> Result<(), Failure> {
    job.hand.call("iam", "AddRoleToInstanceProfile", with(named(id), "RoleName", role.into())).await?;
    Ok(())
}

async fn remove(job: &Job<'_>, id: &str, role: &str) -> Result<(), Failure> {
    let input = with(named(id), "RoleName", role.into());
    Ok(job.hand.remove("iam", "RemoveRoleFromInstanceProfile", input).await?)
}
