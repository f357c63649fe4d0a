//! `AWS::IAM::Role`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work, aws_managed,
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
            attach(job, &name).await.map_err(|failure| failure.after(&name))?;
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
            let _ = request.take("RoleName");
            request.push("RoleName", name.clone());
            job.hand.call("iam", "UpdateRole", request).await?;
            boundary(job, before).await?;
            detach_missing(job, before).await?;
            attach(job, before.id).await?;
            retag(job, before).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let role = || Document::structure([("RoleName", id.into())]);
            let inline = match job.hand.call("iam", "ListRolePolicies", role()).await {
                Err(error) if error.is_absence() => return Ok(()),
                answer => answer?,
            };
            for name in inline.get("PolicyNames").map_or(&[][..], Document::items) {
                job.hand.remove("iam", "DeleteRolePolicy", with(role(), "PolicyName", name.clone())).await?;
            }
            let attached = job.hand.call("iam", "ListAttachedRolePolicies", role()).await?;
            for policy in attached.get("AttachedPolicies").map_or(&[][..], Document::items) {
                let arn = policy.get("PolicyArn").cloned().unwrap_or_default();
                job.hand.remove("iam", "DetachRolePolicy", with(role(), "PolicyArn", arn)).await?;
            }
            Ok(job.hand.remove("iam", "DeleteRole", role()).await?)
        })
    }
}

/// Refuses policies of AWS that have no stand-in.
pub(super) fn check_managed(properties: &Node) -> Result<(), TemplateError> {
    let arns = properties.get("ManagedPolicyArns").map_or(&[][..], Node::items);
    let unknown = arns.iter().find_map(|node| {
        let arn = node.as_text().filter(|arn| aws_managed::is_aws_managed(arn))?;
        aws_managed::find(arn).is_none().then_some((node.line, arn))
    });
    unknown.map_or(Ok(()), |(line, arn)| {
        let text = format!("{arn} is a policy that AWS manages and is not present here; write its statements as an inline policy");
        Err(TemplateError::at(line, text))
    })
}

/// The inline policies that properties ask for, by name: written ones and stand-ins.
pub(super) fn inline(properties: &Node) -> Vec<(String, String)> {
    let written = properties.get("Policies").map_or(&[][..], Node::items).iter().filter_map(|policy| {
        Some((policy.get("PolicyName")?.scalar()?, json_text(policy.get("PolicyDocument")?)))
    });
    let stand_ins = managed(properties).into_iter().filter_map(|arn| {
        let found = aws_managed::find(&arn).filter(|_| aws_managed::is_aws_managed(&arn))?;
        Some((found.name.to_owned(), found.document("*")))
    });
    written.chain(stand_ins).collect()
}

/// The managed policies that properties ask for.
pub(super) fn managed(properties: &Node) -> Vec<String> {
    properties.get("ManagedPolicyArns").map_or(&[][..], Node::items).iter().filter_map(Node::scalar).collect()
}

async fn attach(job: &Job<'_>, name: &str) -> Result<(), Failure> {
    let role = || Document::structure([("RoleName", name.into())]);
    for (policy, document) in inline(job.properties) {
        let input = with(with(role(), "PolicyName", policy.into()), "PolicyDocument", document.into());
        job.hand.call("iam", "PutRolePolicy", input).await?;
    }
    for arn in managed(job.properties).into_iter().filter(|arn| !aws_managed::is_aws_managed(arn)) {
        job.hand.call("iam", "AttachRolePolicy", with(role(), "PolicyArn", arn.into())).await?;
    }
    Ok(())
}

async fn detach_missing(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let role = || Document::structure([("RoleName", before.id.into())]);
    let (now, kept) = (inline(job.properties), managed(job.properties));
    for (policy, _) in inline(before.properties) {
        if !now.iter().any(|(name, _)| *name == policy) {
            job.hand.remove("iam", "DeleteRolePolicy", with(role(), "PolicyName", policy.into())).await?;
        }
    }
    for arn in managed(before.properties) {
        if !kept.contains(&arn) && !aws_managed::is_aws_managed(&arn) {
            job.hand.remove("iam", "DetachRolePolicy", with(role(), "PolicyArn", arn.into())).await?;
        }
    }
    Ok(())
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

async fn retag(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let tags =
        |node: &Node| match super::kind::tag_map(node.get("Tags").unwrap_or(&Node::list(0, Vec::new()))) {
            Document::Map(tags) => tags,
            _ => Vec::new(),
        };
    let (now, then) = (tags(job.properties), tags(before.properties));
    let gone: Vec<String> =
        then.into_iter().map(|(key, _)| key).filter(|key| !now.iter().any(|(k, _)| k == key)).collect();
    let role = || Document::structure([("RoleName", before.id.into())]);
    if !gone.is_empty() {
        job.hand.call("iam", "UntagRole", with(role(), "TagKeys", gone.into())).await?;
    }
    if !now.is_empty() {
        let tags =
            now.into_iter().map(|(key, value)| Document::structure([("Key", key.into()), ("Value", value)]));
        job.hand.call("iam", "TagRole", with(role(), "Tags", Document::List(tags.collect()))).await?;
    }
    Ok(())
}

/// Adds a member.
pub(super) fn with(mut document: Document, name: &str, value: Document) -> Document {
    document.push(name, value);
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse_value;

    #[test]
    fn unknown_policies_of_aws_are_refused_with_their_line() {
        let node = parse_value("ManagedPolicyArns:\n - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole\n - arn:aws:iam::aws:policy/AdministratorAccess\n").unwrap();
        let error = check_managed(&node).unwrap_err().to_string();
        assert!(error.contains("AdministratorAccess") && error.ends_with("(line 3)"), "{error}");
    }

    #[test]
    fn stand_ins_become_inline_policies() {
        let node = parse_value("ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole']\nPolicies: [{PolicyName: p, PolicyDocument: {Version: 2012-10-17}}]").unwrap();
        let found = inline(&node);
        assert_eq!(found[0], ("p".to_owned(), "{\"Version\":\"2012-10-17\"}".to_owned()));
        assert_eq!(found[1].0, "AWSLambdaBasicExecutionRole");
        assert!(found[1].1.contains("logs:PutLogEvents"));
    }
}
