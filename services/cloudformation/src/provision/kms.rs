//! `AWS::KMS::Key` and `AWS::KMS::Alias`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::text,
    kind::{Form, Kind, To, json_text, property, tag_map},
};
use crate::template::Node;

/// Values of `PendingWindowInDays`.
// AWS: CloudFormation, AWS::KMS::Key, PendingWindowInDays.
const WINDOW_DAYS: std::ops::RangeInclusive<i64> = 7..=30;

pub(super) const KEY: Kind = Kind {
    name: "AWS::KMS::Key",
    maker: ("kms", "CreateKey"),
    properties: &[
        property("BypassPolicyLockoutSafetyCheck"),
        property("Description"),
        property("EnableKeyRotation").to(To::Own(Form::Text)),
        property("Enabled").to(To::Own(Form::Text)),
        property("KeyPolicy").to(To::Json("Policy")),
        property("KeySpec").replaces(),
        property("KeyUsage").replaces(),
        property("MultiRegion").replaces(),
        property("Origin").replaces(),
        property("PendingWindowInDays").to(To::Own(Form::Text)),
        property("RotationPeriodInDays").to(To::Own(Form::Text)),
        property("Tags").to(To::Own(Form::Objects(&["Key", "Value"]))),
    ],
    attributes: &["Arn", "KeyId"],
    named_by: None,
    provisioner: &Key,
};

pub(super) const ALIAS: Kind = Kind {
    name: "AWS::KMS::Alias",
    maker: ("kms", "CreateAlias"),
    properties: &[property("AliasName").replaces().required(), property("TargetKeyId").required()],
    attributes: &[],
    named_by: Some("AliasName"),
    provisioner: &Alias,
};

struct Key;

impl Provisioner for Key {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            // Found out now, not when the key is to be deleted.
            window(job.properties)?;
            let tags = tags(job.properties);
            if !tags.is_empty() {
                request.push("Tags", Document::List(tags.into_iter().map(tag).collect()));
            }
            let answer = job.hand.call("kms", "CreateKey", request).await?;
            let metadata = answer.get("KeyMetadata").cloned().unwrap_or_default();
            let (id, arn) = (text(&metadata, "KeyId"), text(&metadata, "Arn"));
            settle(job, &id, &State::default()).await.map_err(|failure| failure.after(&id))?;
            Ok(Made::of(id.clone(), [("Arn", arn), ("KeyId", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            window(job.properties)?;
            let changed = |name: &str| job.properties.get(name) != before.properties.get(name);
            if changed("KeyPolicy") {
                put_policy(job, before.id).await?;
            }
            if changed("Description") {
                let input = Document::structure([
                    ("KeyId", before.id.into()),
                    ("Description", job.text("Description").unwrap_or_default().into()),
                ]);
                job.hand.call("kms", "UpdateKeyDescription", input).await?;
            }
            if changed("Tags") {
                retag(job, before).await?;
            }
            settle(job, before.id, &State::of(before.properties)).await?;
            Ok(Made::unchanged(before))
        })
    }

    // AWS: the key is not gone at once: it waits for its deletion, 30 days unless PendingWindowInDays says otherwise.
    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let mut input = Document::structure([("KeyId", id.into())]);
            if let Some(days) = number(job.properties, "PendingWindowInDays")? {
                input.push("PendingWindowInDays", days.into());
            }
            match job.hand.remove("kms", "ScheduleKeyDeletion", input).await {
                // It waits for its deletion already.
                Err(error) if error.is("KMSInvalidStateException") => Ok(()),
                other => Ok(other?),
            }
        })
    }
}

/// What operations of their own set.
struct State {
    enabled: bool,
    rotated: bool,
    period: Option<String>,
}

impl Default for State {
    /// A new key's.
    fn default() -> Self {
        Self { enabled: true, rotated: false, period: None }
    }
}

impl State {
    fn of(properties: &Node) -> Self {
        let said = |name: &str| properties.get(name).and_then(Node::scalar);
        let is = |name: &str, text: &str| said(name).is_some_and(|said| said.eq_ignore_ascii_case(text));
        Self {
            enabled: !is("Enabled", "false"),
            rotated: is("EnableKeyRotation", "true"),
            period: said("RotationPeriodInDays"),
        }
    }
}

/// Makes the key's state what the template says. Rotation can be set while the key is enabled only.
async fn settle(job: &Job<'_>, id: &str, before: &State) -> Result<(), Failure> {
    let after = State::of(job.properties);
    let key = || Document::structure([("KeyId", id.into())]);
    let other_rotation = after.rotated != before.rotated || (after.rotated && after.period != before.period);
    if !before.enabled && (after.enabled || other_rotation) {
        job.hand.call("kms", "EnableKey", key()).await?;
    }
    if other_rotation && after.rotated {
        let mut input = key();
        if let Some(days) = number(job.properties, "RotationPeriodInDays")? {
            input.push("RotationPeriodInDays", days.into());
        }
        job.hand.call("kms", "EnableKeyRotation", input).await?;
    } else if other_rotation {
        job.hand.call("kms", "DisableKeyRotation", key()).await?;
    }
    if !after.enabled && (before.enabled || other_rotation) {
        job.hand.call("kms", "DisableKey", key()).await?;
    }
    Ok(())
}

/// Puts the template's policy, or the one that a key has whose template says nothing.
async fn put_policy(job: &Job<'_>, id: &str) -> Result<(), Failure> {
    let policy = job.properties.get("KeyPolicy").map_or_else(
        || {
            let root = casemate_names::Arn::global(job.hand.scope, "iam", "root");
            format!(
                r#"{{"Version":"2012-10-17","Id":"key-default-1","Statement":[{{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{{"AWS":"{root}"}},"Action":"kms:*","Resource":"*"}}]}}"#
            )
        },
        json_text,
    );
    let bypass =
        job.text("BypassPolicyLockoutSafetyCheck").is_some_and(|said| said.eq_ignore_ascii_case("true"));
    let input = Document::structure([
        ("KeyId", id.into()),
        ("Policy", policy.into()),
        ("BypassPolicyLockoutSafetyCheck", bypass.into()),
    ]);
    job.hand.call("kms", "PutKeyPolicy", input).await?;
    Ok(())
}

async fn retag(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let (old, new) = (tags(before.properties), tags(job.properties));
    let gone = old.into_iter().map(|(name, _)| name).filter(|name| !new.iter().any(|(kept, _)| kept == name));
    let gone: Vec<Document> = gone.map(Document::from).collect();
    if !gone.is_empty() {
        let input = Document::structure([("KeyId", before.id.into()), ("TagKeys", Document::List(gone))]);
        job.hand.call("kms", "UntagResource", input).await?;
    }
    if !new.is_empty() {
        let new = Document::List(new.into_iter().map(tag).collect());
        let input = Document::structure([("KeyId", before.id.into()), ("Tags", new)]);
        job.hand.call("kms", "TagResource", input).await?;
    }
    Ok(())
}

fn tags(properties: &Node) -> Vec<(String, Document)> {
    properties.get("Tags").map(tag_map).unwrap_or_default().into_entries()
}

fn tag((name, value): (String, Document)) -> Document {
    Document::structure([("TagKey", name.into()), ("TagValue", value)])
}

fn number(properties: &Node, name: &'static str) -> Result<Option<i64>, Failure> {
    let text = properties.get(name).and_then(Node::scalar);
    let parsed =
        text.map(|text| text.parse().map_err(|_| Failure::from("a number of days must be a whole number")));
    parsed.transpose()
}

/// The days that the key waits for its deletion.
fn window(properties: &Node) -> Result<Option<i64>, Failure> {
    let days = number(properties, "PendingWindowInDays")?;
    if days.is_some_and(|days| !WINDOW_DAYS.contains(&days)) {
        return Err(Failure::from("PendingWindowInDays must be between 7 and 30"));
    }
    Ok(days)
}

struct Alias;

impl Provisioner for Alias {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.call("kms", "CreateAlias", job.request()?).await?;
            Ok(Made::of(job.required("AliasName")?, []))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.call("kms", "UpdateAlias", job.request()?).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("AliasName", id.into())]);
            Ok(job.hand.remove("kms", "DeleteAlias", input).await?)
        })
    }
}
