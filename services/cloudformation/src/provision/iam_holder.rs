//! What users, groups and roles have in common in templates: inline policies and managed ones.

use casemate_schema::Document;

use super::{
    Before, CallError, Failure, Job, aws_managed,
    kind::{json_text, tag_map},
};
use crate::template::{Node, TemplateError};

/// How one sort of holder is spoken of.
pub(super) struct Holder {
    /// The member that names it.
    pub(super) member: &'static str,
    pub(super) put: &'static str,
    pub(super) delete: &'static str,
    pub(super) list: &'static str,
    pub(super) attach: &'static str,
    pub(super) detach: &'static str,
    pub(super) list_attached: &'static str,
}

pub(super) const USER: Holder = Holder {
    member: "UserName",
    put: "PutUserPolicy",
    delete: "DeleteUserPolicy",
    list: "ListUserPolicies",
    attach: "AttachUserPolicy",
    detach: "DetachUserPolicy",
    list_attached: "ListAttachedUserPolicies",
};

pub(super) const GROUP: Holder = Holder {
    member: "GroupName",
    put: "PutGroupPolicy",
    delete: "DeleteGroupPolicy",
    list: "ListGroupPolicies",
    attach: "AttachGroupPolicy",
    detach: "DetachGroupPolicy",
    list_attached: "ListAttachedGroupPolicies",
};

pub(super) const ROLE: Holder = Holder {
    member: "RoleName",
    put: "PutRolePolicy",
    delete: "DeleteRolePolicy",
    list: "ListRolePolicies",
    attach: "AttachRolePolicy",
    detach: "DetachRolePolicy",
    list_attached: "ListAttachedRolePolicies",
};

/// Earlier versions wrote these policies of AWS as inline policies of the same name; they go when the policy is detached.
const FORMER_STAND_INS: [&str; 3] =
    ["AWSLambdaBasicExecutionRole", "AWSLambdaDynamoDBExecutionRole", "AmazonAPIGatewayPushToCloudWatchLogs"];

impl Holder {
    /// Its name as an input.
    pub(super) fn named(&self, name: &str) -> Document {
        Document::structure([(self.member, name.into())])
    }

    /// Puts and attaches everything that the properties ask for.
    pub(super) async fn give(&self, job: &Job<'_>, name: &str) -> Result<(), Failure> {
        for (policy, document) in inline(job.properties) {
            let input =
                with(with(self.named(name), "PolicyName", policy.into()), "PolicyDocument", document.into());
            job.hand.call("iam", self.put, input).await?;
        }
        for arn in managed(job.properties) {
            job.hand.call("iam", self.attach, with(self.named(name), "PolicyArn", arn.into())).await?;
        }
        Ok(())
    }

    /// Takes away what the properties no longer ask for.
    pub(super) async fn take(&self, job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
        let (now, kept) = (inline(job.properties), managed(job.properties));
        let detached: Vec<String> =
            managed(before.properties).into_iter().filter(|arn| !kept.contains(arn)).collect();
        let stand_ins = FORMER_STAND_INS.iter().map(|name| (*name).to_owned());
        let stand_ins =
            stand_ins.filter(|name| detached.iter().any(|arn| arn.rsplit('/').next() == Some(name)));
        let gone = inline(before.properties).into_iter().map(|(name, _)| name).chain(stand_ins);
        for policy in gone.filter(|policy| !now.iter().any(|(name, _)| name == policy)) {
            let input = with(self.named(before.id), "PolicyName", policy.into());
            job.hand.remove("iam", self.delete, input).await?;
        }
        for arn in detached {
            job.hand.remove("iam", self.detach, with(self.named(before.id), "PolicyArn", arn.into())).await?;
        }
        Ok(())
    }

    /// Takes away everything it holds, before it is deleted. `false`: it is gone already.
    pub(super) async fn strip(&self, job: &Job<'_>, id: &str) -> Result<bool, CallError> {
        let names = match job.hand.call("iam", self.list, self.named(id)).await {
            Err(error) if error.is_absence() => return Ok(false),
            answer => answer?,
        };
        for name in names.get("PolicyNames").map_or(&[][..], Document::items) {
            let input = with(self.named(id), "PolicyName", name.clone());
            job.hand.remove("iam", self.delete, input).await?;
        }
        let attached = job.hand.call("iam", self.list_attached, self.named(id)).await?;
        for policy in attached.get("AttachedPolicies").map_or(&[][..], Document::items) {
            let arn = policy.get("PolicyArn").cloned().unwrap_or_default();
            job.hand.remove("iam", self.detach, with(self.named(id), "PolicyArn", arn)).await?;
        }
        Ok(true)
    }
}

/// Refuses policies of AWS that are not present here.
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

/// The inline policies that properties ask for, by name.
fn inline(properties: &Node) -> Vec<(String, String)> {
    let written = properties.get("Policies").map_or(&[][..], Node::items).iter();
    let named = written.filter_map(|policy| {
        Some((policy.get("PolicyName")?.scalar()?, json_text(policy.get("PolicyDocument")?)))
    });
    named.collect()
}

/// The managed policies that properties ask for.
fn managed(properties: &Node) -> Vec<String> {
    properties.get("ManagedPolicyArns").map_or(&[][..], Node::items).iter().filter_map(Node::scalar).collect()
}

/// How tags of one sort of thing are changed.
pub(super) struct Tagged {
    /// The member that names it.
    pub(super) member: &'static str,
    pub(super) tag: &'static str,
    pub(super) untag: &'static str,
}

impl Tagged {
    /// Makes the tags those of the property `Tags`.
    pub(super) async fn retag(&self, job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
        let tags = |node: &Node| match node.get("Tags").map(tag_map) {
            Some(Document::Map(tags)) => tags,
            _ => Vec::new(),
        };
        let (now, then) = (tags(job.properties), tags(before.properties));
        let gone: Vec<String> =
            then.into_iter().map(|(key, _)| key).filter(|key| !now.iter().any(|(k, _)| k == key)).collect();
        let named = || Document::structure([(self.member, before.id.into())]);
        if !gone.is_empty() {
            job.hand.call("iam", self.untag, with(named(), "TagKeys", gone.into())).await?;
        }
        if !now.is_empty() {
            let tags = now
                .into_iter()
                .map(|(key, value)| Document::structure([("Key", key.into()), ("Value", value)]));
            job.hand.call("iam", self.tag, with(named(), "Tags", Document::List(tags.collect()))).await?;
        }
        Ok(())
    }
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
        let node = parse_value("ManagedPolicyArns:\n - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole\n - arn:aws:iam::aws:policy/NoSuchAccess\n").unwrap();
        let error = check_managed(&node).unwrap_err().to_string();
        assert!(error.contains("NoSuchAccess") && error.ends_with("(line 3)"), "{error}");
    }

    #[test]
    fn written_policies_and_managed_ones_are_told_apart() {
        let node = parse_value("ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole']\nPolicies: [{PolicyName: p, PolicyDocument: {Version: 2012-10-17}}]").unwrap();
        assert_eq!(inline(&node), [("p".to_owned(), "{\"Version\":\"2012-10-17\"}".to_owned())]);
        assert_eq!(managed(&node), ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]);
    }
}
