//! `AWS::IAM::RolePolicy`, `AWS::IAM::UserPolicy` and `AWS::IAM::GroupPolicy`: one inline policy of one holder.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    iam_holder::{GROUP, Holder, ROLE, USER, with},
    kind::{Kind, Property, To, property},
};

pub(super) const OF_GROUP: Kind = kind(
    "AWS::IAM::GroupPolicy",
    ("iam", "PutGroupPolicy"),
    &properties("GroupName"),
    &Inline { holder: GROUP, get: "GetGroupPolicy" },
);

pub(super) const OF_ROLE: Kind = kind(
    "AWS::IAM::RolePolicy",
    ("iam", "PutRolePolicy"),
    &properties("RoleName"),
    &Inline { holder: ROLE, get: "GetRolePolicy" },
);

pub(super) const OF_USER: Kind = kind(
    "AWS::IAM::UserPolicy",
    ("iam", "PutUserPolicy"),
    &properties("UserName"),
    &Inline { holder: USER, get: "GetUserPolicy" },
);

/// Between policy and holder in a physical id; no name of either may have it.
// AWS: CloudFormation CLI user guide, `primaryIdentifier`: of several properties, joined by `|`. The schemas name
// PolicyName and then the holder.
const SEPARATOR: char = '|';

// AWS: resource reference, AWS::IAM::RolePolicy: both names need replacement, the document does not.
// DIVERGES: AWS lets a template leave the document out and fails when the policy is put; here the template is refused.
const fn properties(holder: &'static str) -> [Property; 3] {
    [
        property("PolicyDocument").to(To::Json("PolicyDocument")).required(),
        property("PolicyName").replaces().required(),
        property(holder).replaces().required(),
    ]
}

const fn kind(
    name: &'static str,
    maker: (&'static str, &'static str),
    properties: &'static [Property],
    provisioner: &'static Inline,
) -> Kind {
    Kind { name, maker, properties, attributes: &[], named_by: None, provisioner }
}

struct Inline {
    holder: Holder,
    /// The operation that shows one policy.
    get: &'static str,
}

impl Provisioner for Inline {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let (policy, holder) = (job.required("PolicyName")?, job.required(self.holder.member)?);
            let id = format!("{policy}{SEPARATOR}{holder}");
            // AWS: CloudFormation CLI user guide, resource type contract: what exists already is not taken over. Otherwise
            // two resources would write over each other, and the first that goes would take away the other's policy.
            match job.hand.call("iam", self.get, self.named(&policy, &holder)).await {
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Err(Failure::from(already_exists(job.kind.name, &id).as_str())),
            }
            job.hand.call("iam", self.holder.put, job.request()?).await?;
            Ok(Made::of(id, []))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.call("iam", self.holder.put, job.request()?).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let Some((policy, holder)) = id.split_once(SEPARATOR) else { return Ok(()) };
            Ok(job.hand.remove("iam", self.holder.delete, self.named(policy, holder)).await?)
        })
    }
}

impl Inline {
    fn named(&self, policy: &str, holder: &str) -> Document {
        with(self.holder.named(holder), "PolicyName", policy.into())
    }
}

// AWS: text of a registry type's AlreadyExists.
fn already_exists(kind: &str, id: &str) -> String {
    format!("Resource of type '{kind}' with identifier '{id}' already exists.")
}
