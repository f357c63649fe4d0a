//! `AWS::Organizations::Organization`, `OrganizationalUnit`, `Account` and `Policy`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::{default, text},
    kind::{Form, Kind, To, property},
};
use crate::template::Node;

const SERVICE: &str = "organizations";

pub(super) const ORGANIZATION: Kind = Kind {
    name: "AWS::Organizations::Organization",
    maker: (SERVICE, "CreateOrganization"),
    properties: &[property("FeatureSet").replaces()],
    attributes: &["Arn", "Id", "ManagementAccountArn", "ManagementAccountId", "RootId"],
    named_by: None,
    provisioner: &Organization,
};

pub(super) const UNIT: Kind = Kind {
    name: "AWS::Organizations::OrganizationalUnit",
    maker: (SERVICE, "CreateOrganizationalUnit"),
    properties: &[property("Name").required(), property("ParentId").replaces().required(), property("Tags")],
    attributes: &["Arn", "Id"],
    named_by: None,
    provisioner: &Unit,
};

pub(super) const ACCOUNT: Kind = Kind {
    name: "AWS::Organizations::Account",
    maker: (SERVICE, "CreateAccount"),
    properties: &[
        property("AccountName").required(),
        property("Email").required(),
        property("ParentIds").to(To::Own(Form::Texts)),
        property("RoleName"),
        property("Tags"),
    ],
    attributes: &["AccountId", "Arn", "JoinedMethod", "Status"],
    named_by: None,
    provisioner: &Account,
};

pub(super) const POLICY: Kind = Kind {
    name: "AWS::Organizations::Policy",
    maker: (SERVICE, "CreatePolicy"),
    properties: &[
        property("Content").to(To::Json("Content")).required(),
        property("Description"),
        property("Name").required(),
        property("Tags"),
        property("TargetIds").to(To::Own(Form::Texts)),
        property("Type").replaces().required(),
    ],
    attributes: &["Arn", "AwsManaged", "Id"],
    named_by: None,
    provisioner: &Policy,
};

struct Organization;
struct Unit;
struct Account;
struct Policy;

impl Provisioner for Organization {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call(SERVICE, "CreateOrganization", job.request()?).await?;
            let made = answer.get("Organization").cloned().unwrap_or_default();
            let id = text(&made, "Id");
            let roots = job.hand.call(SERVICE, "ListRoots", Document::empty()).await;
            let roots = roots.map_err(|error| Failure::from(error).after(&id))?;
            let root =
                roots.get("Roots").and_then(|roots| roots.items().first().map(|root| text(root, "Id")));
            let attributes = [
                ("Arn", text(&made, "Arn")),
                ("Id", id.clone()),
                ("ManagementAccountArn", text(&made, "MasterAccountArn")),
                ("ManagementAccountId", text(&made, "MasterAccountId")),
                ("RootId", root.unwrap_or_default()),
            ];
            Ok(Made::of(id, attributes))
        })
    }

    fn update<'a>(&'a self, _job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move { Ok(Made::unchanged(before)) })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move { Ok(job.hand.remove(SERVICE, "DeleteOrganization", Document::empty()).await?) })
    }
}

impl Provisioner for Unit {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call(SERVICE, "CreateOrganizationalUnit", job.request()?).await?;
            let made = answer.get("OrganizationalUnit").cloned().unwrap_or_default();
            let id = text(&made, "Id");
            Ok(Made::of(id.clone(), [("Arn", text(&made, "Arn")), ("Id", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for(SERVICE, "UpdateOrganizationalUnit")?;
            default(&mut request, "OrganizationalUnitId", before.id.into());
            job.hand.call(SERVICE, "UpdateOrganizationalUnit", request).await?;
            retag(job, before).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("OrganizationalUnitId", id.into())]);
            Ok(job.hand.remove(SERVICE, "DeleteOrganizationalUnit", input).await?)
        })
    }
}

impl Provisioner for Account {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call(SERVICE, "CreateAccount", job.request()?).await?;
            let status = answer.get("CreateAccountStatus").cloned().unwrap_or_default();
            let id = text(&status, "AccountId");
            if id.is_empty() {
                let why = text(&status, "FailureReason");
                return Err(Failure {
                    reason: format!("The account could not be created: {why}"),
                    made: None,
                });
            }
            settle(job, &id).await.map_err(|failure| failure.after(&id))?;
            let input = Document::structure([("AccountId", id.as_str().into())]);
            let described = job.hand.call(SERVICE, "DescribeAccount", input).await;
            let described = described.map_err(|error| Failure::from(error).after(&id))?;
            let account = described.get("Account").cloned().unwrap_or_default();
            let attributes = [
                ("AccountId", id.clone()),
                ("Arn", text(&account, "Arn")),
                ("JoinedMethod", text(&account, "JoinedMethod")),
                ("Status", text(&account, "Status")),
            ];
            Ok(Made::of(id, attributes))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            for name in ["AccountName", "Email", "RoleName"] {
                if job.properties.get(name) != before.properties.get(name) {
                    let reason = format!("{name} of an account cannot be changed");
                    return Err(Failure { reason, made: None });
                }
            }
            settle(job, before.id).await?;
            retag(job, before).await?;
            Ok(Made::unchanged(before))
        })
    }

    // AWS: CloudFormation reference: an account whose resource is deleted is closed.
    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("AccountId", id.into())]);
            Ok(job.hand.remove(SERVICE, "CloseAccount", input).await?)
        })
    }
}

impl Provisioner for Policy {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            default(&mut request, "Description", "".into());
            let answer = job.hand.call(SERVICE, "CreatePolicy", request).await?;
            let made = answer.get("Policy").and_then(|policy| policy.get("PolicySummary")).cloned();
            let made = made.unwrap_or_default();
            let id = text(&made, "Id");
            attach(job, &id, &[]).await.map_err(|failure| failure.after(&id))?;
            let attributes =
                [("Arn", text(&made, "Arn")), ("AwsManaged", "false".to_owned()), ("Id", id.clone())];
            Ok(Made::of(id, attributes))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for(SERVICE, "UpdatePolicy")?;
            default(&mut request, "PolicyId", before.id.into());
            default(&mut request, "Description", "".into());
            job.hand.call(SERVICE, "UpdatePolicy", request).await?;
            let attached = texts(before.properties, "TargetIds");
            attach(job, before.id, &attached).await?;
            let wanted = texts(job.properties, "TargetIds");
            detach(job, before.id, attached.iter().filter(|target| !wanted.contains(target))).await?;
            retag(job, before).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            detach(job, id, texts(job.properties, "TargetIds").iter()).await?;
            let input = Document::structure([("PolicyId", id.into())]);
            Ok(job.hand.remove(SERVICE, "DeletePolicy", input).await?)
        })
    }
}

fn texts(properties: &Node, name: &str) -> Vec<String> {
    properties
        .get(name)
        .map(|list| list.items().iter().filter_map(Node::scalar).collect())
        .unwrap_or_default()
}

/// Attaches a policy to the targets it is not attached to yet.
async fn attach(job: &Job<'_>, policy: &str, attached: &[String]) -> Result<(), Failure> {
    for target in texts(job.properties, "TargetIds").into_iter().filter(|target| !attached.contains(target)) {
        let input = Document::structure([("PolicyId", policy.into()), ("TargetId", target.into())]);
        job.hand.call(SERVICE, "AttachPolicy", input).await?;
    }
    Ok(())
}

async fn detach(job: &Job<'_>, policy: &str, targets: impl Iterator<Item = &String>) -> Result<(), Failure> {
    for target in targets {
        let input = Document::structure([("PolicyId", policy.into()), ("TargetId", target.as_str().into())]);
        job.hand.remove(SERVICE, "DetachPolicy", input).await?;
    }
    Ok(())
}

/// Puts an account below the parent it should have.
async fn settle(job: &Job<'_>, account: &str) -> Result<(), Failure> {
    let wanted = texts(job.properties, "ParentIds");
    let [wanted] = wanted.as_slice() else {
        if wanted.is_empty() {
            return Ok(());
        }
        return Err(Failure::from("ParentIds has one entry at most"));
    };
    let input = Document::structure([("ChildId", account.into())]);
    let answer = job.hand.call(SERVICE, "ListParents", input).await?;
    let parents = answer.get("Parents").map_or(&[][..], Document::items);
    let current = parents.first().map(|parent| text(parent, "Id")).unwrap_or_default();
    if current == *wanted {
        return Ok(());
    }
    let input = Document::structure([
        ("AccountId", account.into()),
        ("SourceParentId", current.into()),
        ("DestinationParentId", wanted.as_str().into()),
    ]);
    job.hand.call(SERVICE, "MoveAccount", input).await?;
    Ok(())
}

/// Makes the tags those of the template.
async fn retag(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let (old, new) = (before.properties.get("Tags"), job.properties.get("Tags"));
    if old == new {
        return Ok(());
    }
    let keys = |tags: Option<&Node>| -> Vec<String> {
        let items = tags.map(Node::items).unwrap_or_default();
        items.iter().filter_map(|tag| tag.get("Key").and_then(Node::scalar)).collect()
    };
    let kept = keys(new);
    let gone: Vec<Document> =
        keys(old).into_iter().filter(|key| !kept.contains(key)).map(Document::String).collect();
    if !gone.is_empty() {
        let input =
            Document::structure([("ResourceId", before.id.into()), ("TagKeys", Document::List(gone))]);
        job.hand.remove(SERVICE, "UntagResource", input).await?;
    }
    if !kept.is_empty() {
        let mut input = job.request_for(SERVICE, "TagResource")?;
        default(&mut input, "ResourceId", before.id.into());
        job.hand.call(SERVICE, "TagResource", input).await?;
    }
    Ok(())
}
