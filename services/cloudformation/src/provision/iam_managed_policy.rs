//! `AWS::IAM::ManagedPolicy`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::default,
    iam_policy::holders,
    kind::{Form, Kind, To, json_text, property},
};
use crate::template::Node;

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::ManagedPolicy",
    maker: ("iam", "CreatePolicy"),
    properties: &[
        property("Description").replaces(),
        property("Groups").to(To::Own(Form::Texts)),
        property("ManagedPolicyName").to(To::Member("PolicyName")).replaces(),
        property("Path").replaces(),
        property("PolicyDocument").to(To::Json("PolicyDocument")).required(),
        property("Roles").to(To::Own(Form::Texts)),
        property("Users").to(To::Own(Form::Texts)),
    ],
    attributes: &["PolicyArn"],
    named_by: Some("ManagedPolicyName"),
    provisioner: &ManagedPolicy,
};

/// AWS: policy names have at most 128 characters.
const NAME_MAX: usize = 128;

/// Whom it is attached to: property, operations, and the member that names a holder.
const HOLDERS: [(&str, &str, &str, &str); 3] = [
    ("Groups", "AttachGroupPolicy", "DetachGroupPolicy", "GroupName"),
    ("Roles", "AttachRolePolicy", "DetachRolePolicy", "RoleName"),
    ("Users", "AttachUserPolicy", "DetachUserPolicy", "UserName"),
];

struct ManagedPolicy;

impl Provisioner for ManagedPolicy {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            default(&mut request, "PolicyName", job.name("ManagedPolicyName", NAME_MAX).into());
            let answer = job.hand.call("iam", "CreatePolicy", request).await?;
            let arn =
                answer.get("Policy").map(|policy| super::gateway::text(policy, "Arn")).unwrap_or_default();
            attach(job, &arn).await.map_err(|failure| failure.after(&arn))?;
            Ok(Made::of(arn.clone(), [("PolicyArn", arn)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            if job.properties.get("PolicyDocument") != before.properties.get("PolicyDocument") {
                // AWS: a policy keeps five versions; the others make room.
                drop_versions(job, before.id).await?;
                let input = Document::structure([
                    ("PolicyArn", before.id.into()),
                    ("PolicyDocument", job.properties.get("PolicyDocument").map(json_text).into()),
                    ("SetAsDefault", true.into()),
                ]);
                job.hand.call("iam", "CreatePolicyVersion", input).await?;
            }
            attach(job, before.id).await?;
            detach(job, before.id, before.properties, Some(job.properties)).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            detach(job, id, job.properties, None).await?;
            drop_versions(job, id).await?;
            let input = Document::structure([("PolicyArn", id.into())]);
            Ok(job.hand.remove("iam", "DeletePolicy", input).await?)
        })
    }
}

async fn attach(job: &Job<'_>, arn: &str) -> Result<(), Failure> {
    for (property, attach, _, member) in HOLDERS {
        for holder in holders(job.properties, property) {
            let input = Document::structure([(member, holder.into()), ("PolicyArn", arn.into())]);
            job.hand.call("iam", attach, input).await?;
        }
    }
    Ok(())
}

async fn detach(job: &Job<'_>, arn: &str, from: &Node, kept: Option<&Node>) -> Result<(), Failure> {
    for (property, _, detach, member) in HOLDERS {
        let kept = kept.map(|kept| holders(kept, property)).unwrap_or_default();
        for holder in holders(from, property).into_iter().filter(|holder| !kept.contains(holder)) {
            let input = Document::structure([(member, holder.into()), ("PolicyArn", arn.into())]);
            job.hand.remove("iam", detach, input).await?;
        }
    }
    Ok(())
}

/// Deletes every version but the default one.
async fn drop_versions(job: &Job<'_>, arn: &str) -> Result<(), Failure> {
    let policy = || Document::structure([("PolicyArn", arn.into())]);
    let answer = match job.hand.call("iam", "ListPolicyVersions", policy()).await {
        Err(error) if error.is_absence() => return Ok(()),
        answer => answer?,
    };
    for version in answer.get("Versions").map_or(&[][..], Document::items) {
        if version.get("IsDefaultVersion").and_then(Document::as_bool) != Some(true) {
            let id = version.get("VersionId").cloned().unwrap_or_default();
            let input = super::iam_holder::with(policy(), "VersionId", id);
            job.hand.remove("iam", "DeletePolicyVersion", input).await?;
        }
    }
    Ok(())
}
