//! `AWS::IAM::Role`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::default,
    iam_holder::{ROLE, Tagged, check_managed, with},
    kind::{Form, Kind, To, json_text, property},
};
use crate::template::{Node, TemplateError};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::Role",
    maker: ("iam", "CreateRole"),
    properties: &[
        property("AssumeRolePolicyDocument").to(To::Json("AssumeRolePolicyDocument")).required(),
        property("Description"),
        property("ManagedPolicyArns").to(To::Own(Form::Texts)),
        property("MaxSessionDuration"),
        property("Path").replaces(),
        property("PermissionsBoundary"),
        property("Policies").to(To::Own(Form::Objects(&["PolicyName", "PolicyDocument"]))),
        property("RoleName").replaces(),
        property("Tags"),
    ],
    attributes: &["Arn", "RoleId"],
    named_by: Some("RoleName"),
    provisioner: &Role,
};

/// AWS: IAM quotas: role names have at most 64 characters.
const NAME_MAX: usize = 64;

const TAGGED: Tagged = Tagged { member: "RoleName", tag: "TagRole", untag: "UntagRole" };

struct Role;

impl Provisioner for Role {
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        check_managed(properties)
    }

    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name("RoleName", NAME_MAX);
            let mut request = job.request()?;
            if request.get("RoleName").is_none() {
                request.push("RoleName", name.as_str().into());
            }
            let answer = job.hand.call("iam", "CreateRole", request).await?;
            ROLE.give(job, &name).await.map_err(|failure| failure.after(&name))?;
            let part = |key: &str| {
                answer.get("Role").and_then(|role| role.get(key)?.as_str()).unwrap_or_default().to_owned()
            };
            Ok(Made::of(&name, [("Arn", part("Arn")), ("RoleId", part("RoleId"))]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name: Document = before.id.into();
            let trust = job.properties.get("AssumeRolePolicyDocument").map(json_text);
            let input = Document::structure([("RoleName", name.clone()), ("PolicyDocument", trust.into())]);
            job.hand.call("iam", "UpdateAssumeRolePolicy", input).await?;
            let mut request = job.request_for("iam", "UpdateRole")?;
            default(&mut request, "RoleName", name);
            job.hand.call("iam", "UpdateRole", request).await?;
            boundary(job, before).await?;
            ROLE.take(job, before).await?;
            ROLE.give(job, before.id).await?;
            TAGGED.retag(job, before).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            if ROLE.strip(job, id).await? {
                job.hand.remove("iam", "DeleteRole", ROLE.named(id)).await?;
            }
            Ok(())
        })
    }
}

async fn boundary(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let (now, then) = (job.text("PermissionsBoundary"), before.properties.get("PermissionsBoundary"));
    let role = Document::structure([("RoleName", before.id.into())]);
    match (now, then) {
        (Some(arn), _) => {
            let input = with(role, "PermissionsBoundary", arn.into());
            job.hand.call("iam", "PutRolePermissionsBoundary", input).await?;
        }
        (None, Some(_)) => job.hand.remove("iam", "DeleteRolePermissionsBoundary", role).await?,
        (None, None) => {}
    }
    Ok(())
}
