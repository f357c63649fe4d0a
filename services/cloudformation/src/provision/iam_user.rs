//! `AWS::IAM::User`.

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::default,
    iam_holder::{USER, check_managed, with},
    iam_policy::holders,
    kind::{Form, Kind, To, property},
};
use crate::template::{Node, TemplateError};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::User",
    maker: ("iam", "CreateUser"),
    properties: &[
        property("Groups").to(To::Own(Form::Texts)),
        property("LoginProfile").to(To::Own(Form::Object(&["Password", "PasswordResetRequired"]))),
        property("ManagedPolicyArns").to(To::Own(Form::Texts)),
        property("Path").replaces(),
        property("PermissionsBoundary").replaces(),
        property("Policies").to(To::Own(Form::Objects(&["PolicyName", "PolicyDocument"]))),
        property("Tags").replaces(),
        property("UserName").replaces(),
    ],
    attributes: &["Arn"],
    named_by: Some("UserName"),
    provisioner: &User,
};

/// AWS: user names have at most 64 characters.
const NAME_MAX: usize = 64;

struct User;

impl Provisioner for User {
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        check_managed(properties)
    }

    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name("UserName", NAME_MAX);
            let mut request = job.request()?;
            default(&mut request, "UserName", name.as_str().into());
            let answer = job.hand.call("iam", "CreateUser", request).await?;
            furnish(job, &name).await.map_err(|failure| failure.after(&name))?;
            let arn = answer.get("User").map(|user| super::gateway::text(user, "Arn")).unwrap_or_default();
            Ok(Made::of(name, [("Arn", arn)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            USER.take(job, before).await?;
            USER.give(job, before.id).await?;
            let (now, then) = (holders(job.properties, "Groups"), holders(before.properties, "Groups"));
            for group in now.iter().filter(|group| !then.contains(group)) {
                join(job, before.id, group).await?;
            }
            for group in then.into_iter().filter(|group| !now.contains(group)) {
                leave(job, before.id, group).await?;
            }
            if job.properties.get("LoginProfile") != before.properties.get("LoginProfile") {
                if before.properties.get("LoginProfile").is_some() {
                    job.hand.remove("iam", "DeleteLoginProfile", USER.named(before.id)).await?;
                }
                sign_in(job, before.id).await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            if !USER.strip(job, id).await? {
                return Ok(());
            }
            // Only what the template gave is taken: more would need rights that making it did not.
            for group in holders(job.properties, "Groups") {
                leave(job, id, group).await?;
            }
            if job.properties.get("LoginProfile").is_some() {
                job.hand.remove("iam", "DeleteLoginProfile", USER.named(id)).await?;
            }
            Ok(job.hand.remove("iam", "DeleteUser", USER.named(id)).await?)
        })
    }
}

/// Everything that a new user gets.
async fn furnish(job: &Job<'_>, name: &str) -> Result<(), Failure> {
    USER.give(job, name).await?;
    for group in holders(job.properties, "Groups") {
        join(job, name, &group).await?;
    }
    sign_in(job, name).await
}

async fn join(job: &Job<'_>, name: &str, group: &str) -> Result<(), Failure> {
    job.hand.call("iam", "AddUserToGroup", with(USER.named(name), "GroupName", group.into())).await?;
    Ok(())
}

async fn leave(job: &Job<'_>, name: &str, group: String) -> Result<(), Failure> {
    let input = with(USER.named(name), "GroupName", group.into());
    Ok(job.hand.remove("iam", "RemoveUserFromGroup", input).await?)
}

/// The password, if one is wanted.
async fn sign_in(job: &Job<'_>, name: &str) -> Result<(), Failure> {
    let Some(profile) = job.properties.get("LoginProfile") else { return Ok(()) };
    let password = profile.get("Password").and_then(Node::scalar);
    let reset = profile.get("PasswordResetRequired").and_then(Node::scalar);
    let input = with(USER.named(name), "Password", password.into());
    let input = with(input, "PasswordResetRequired", reset.map(|text| text == "true").into());
    job.hand.call("iam", "CreateLoginProfile", input).await?;
    Ok(())
}
