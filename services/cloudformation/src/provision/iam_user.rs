//! `AWS::IAM::User`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work, aws_managed,
    gateway::default,
    iam_role::{check_managed, inline, managed, with},
    kind::{Form, Kind, To, property},
};
use crate::template::{Node, TemplateError};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::User",
    maker: ("iam", "CreateUser"),
    // DIVERGES: no login profiles and groups yet; a template that wants them is refused.
    properties: &[
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
            attach(job, &name).await.map_err(|failure| failure.after(&name))?;
            let arn = answer.get("User").map(|user| super::gateway::text(user, "Arn")).unwrap_or_default();
            Ok(Made::of(name, [("Arn", arn)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let user = || Document::structure([("UserName", before.id.into())]);
            let (now, kept) = (inline(job.properties), managed(job.properties));
            for (policy, _) in inline(before.properties) {
                if !now.iter().any(|(name, _)| *name == policy) {
                    job.hand
                        .remove("iam", "DeleteUserPolicy", with(user(), "PolicyName", policy.into()))
                        .await?;
                }
            }
            for arn in managed(before.properties) {
                if !kept.contains(&arn) && !aws_managed::is_aws_managed(&arn) {
                    job.hand.remove("iam", "DetachUserPolicy", with(user(), "PolicyArn", arn.into())).await?;
                }
            }
            attach(job, before.id).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let user = || Document::structure([("UserName", id.into())]);
            let names = match job.hand.call("iam", "ListUserPolicies", user()).await {
                Err(error) if error.is_absence() => return Ok(()),
                answer => answer?,
            };
            for name in names.get("PolicyNames").map_or(&[][..], Document::items) {
                job.hand.remove("iam", "DeleteUserPolicy", with(user(), "PolicyName", name.clone())).await?;
            }
            let attached = job.hand.call("iam", "ListAttachedUserPolicies", user()).await?;
            for policy in attached.get("AttachedPolicies").map_or(&[][..], Document::items) {
                let arn = policy.get("PolicyArn").cloned().unwrap_or_default();
                job.hand.remove("iam", "DetachUserPolicy", with(user(), "PolicyArn", arn)).await?;
            }
            Ok(job.hand.remove("iam", "DeleteUser", user()).await?)
        })
    }
}

async fn attach(job: &Job<'_>, name: &str) -> Result<(), Failure> {
    let user = || Document::structure([("UserName", name.into())]);
    for (policy, document) in inline(job.properties) {
        let input = with(with(user(), "PolicyName", policy.into()), "PolicyDocument", document.into());
        job.hand.call("iam", "PutUserPolicy", input).await?;
    }
    for arn in managed(job.properties).into_iter().filter(|arn| !aws_managed::is_aws_managed(arn)) {
        job.hand.call("iam", "AttachUserPolicy", with(user(), "PolicyArn", arn.into())).await?;
    }
    Ok(())
}
