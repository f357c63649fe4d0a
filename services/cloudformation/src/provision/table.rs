//! `AWS::DynamoDB::Table`.

use std::time::Duration;

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    iam_holder::with,
    kind::{Form, Kind, To, property},
};
use crate::template::{Node, TemplateError};

pub(super) const KIND: Kind = Kind {
    name: "AWS::DynamoDB::Table",
    maker: ("dynamodb", "CreateTable"),
    properties: &[
        property("AttributeDefinitions"),
        property("BillingMode"),
        property("DeletionProtectionEnabled"),
        property("GlobalSecondaryIndexes"),
        property("KeySchema").replaces().required(),
        property("LocalSecondaryIndexes").replaces(),
        property("ProvisionedThroughput"),
        property("SSESpecification").to(To::Own(Form::Object(&["SSEEnabled", "SSEType", "KMSMasterKeyId"]))),
        property("PointInTimeRecoverySpecification")
            .to(To::Own(Form::Object(&["PointInTimeRecoveryEnabled"]))),
        property("StreamSpecification"),
        property("TableClass"),
        property("TableName").replaces(),
        property("Tags"),
        property("TimeToLiveSpecification").to(To::Own(Form::Object(&["AttributeName", "Enabled"]))),
    ],
    attributes: &["Arn", "StreamArn"],
    named_by: Some("TableName"),
    provisioner: &Table,
};

/// AWS: DynamoDB naming rules: table names have at most 255 characters.
const NAME_MAX: usize = 255;
/// Looks at a table's status before giving up.
const LOOKS_MAX: u32 = 600;
/// Milliseconds between two looks. Our own figure.
const LOOK_MS: u64 = 50;

struct Table;

impl Provisioner for Table {
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        let refuse = |property: &str, key: &str, why: &str| {
            let flag = properties.get(property).and_then(|node| node.get(key));
            let wanted =
                flag.filter(|flag| flag.scalar().is_some_and(|text| text.eq_ignore_ascii_case("true")));
            wanted.map_or(Ok(()), |flag| Err(TemplateError::at(flag.line, why)))
        };
        // DIVERGES: there are no backups, so asking for them is refused.
        refuse(
            "PointInTimeRecoverySpecification",
            "PointInTimeRecoveryEnabled",
            "point-in-time recovery is not available",
        )
    }

    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name("TableName", NAME_MAX);
            let mut request = job.request()?;
            if request.get("TableName").is_none() {
                request.push("TableName", name.as_str().into());
            }
            if let Some(sse) = job.properties.get("SSESpecification") {
                request.push("SSESpecification", encryption(sse));
            }
            job.hand.call("dynamodb", "CreateTable", request).await?;
            finish(job, &name).await.map_err(|failure| failure.after(&name))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let changed: Vec<&str> =
                job.kind.changed(before.properties, job.properties).iter().map(|p| p.name).collect();
            if changed.contains(&"GlobalSecondaryIndexes") {
                update_indexes(job, before).await?;
            }
            let plain = [
                "BillingMode",
                "DeletionProtectionEnabled",
                "ProvisionedThroughput",
                "StreamSpecification",
                "TableClass",
            ];
            if changed.iter().any(|name| plain.contains(name)) {
                let mut request = Document::structure([("TableName", before.id.into())]);
                for (name, value) in job.request_for("dynamodb", "UpdateTable")?.into_entries() {
                    if plain.contains(&name.as_str()) {
                        request.push(&name, value);
                    }
                }
                job.hand.call("dynamodb", "UpdateTable", request).await?;
            }
            if changed.contains(&"Tags") {
                retag(job, before).await?;
            }
            settled(job, before.id).await?;
            if changed.contains(&"TimeToLiveSpecification") {
                expire(job, before.id).await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let table = || Document::structure([("TableName", id.into())]);
            job.hand.remove("dynamodb", "DeleteTable", table()).await?;
            for _ in 0..LOOKS_MAX {
                match job.hand.call("dynamodb", "DescribeTable", table()).await {
                    Err(error) if error.is_absence() => return Ok(()),
                    answer => drop(answer?),
                }
                tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            }
            Err("the table is still being deleted".into())
        })
    }
}

async fn finish(job: &Job<'_>, name: &str) -> Result<Made, Failure> {
    let table = settled(job, name).await?;
    expire(job, name).await?;
    let part = |key: &str| table.get(key).and_then(Document::as_str).unwrap_or_default().to_owned();
    Ok(Made::of(name, [("Arn", part("TableArn")), ("StreamArn", part("LatestStreamArn"))]))
}

/// Waits until the table and its indexes are active.
async fn settled(job: &Job<'_>, name: &str) -> Result<Document, Failure> {
    for _ in 0..LOOKS_MAX {
        let input = Document::structure([("TableName", name.into())]);
        let mut answer = job.hand.call("dynamodb", "DescribeTable", input).await?;
        let table = answer.take("Table");
        let active = |node: &Document, key: &str| node.get(key).and_then(Document::as_str) == Some("ACTIVE");
        let indexes = table.get("GlobalSecondaryIndexes").map_or(&[][..], Document::items);
        if active(&table, "TableStatus") && indexes.iter().all(|index| active(index, "IndexStatus")) {
            return Ok(table);
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    Err("the table did not become active".into())
}

async fn expire(job: &Job<'_>, name: &str) -> Result<(), Failure> {
    let Some(ttl) = job.properties.get("TimeToLiveSpecification") else { return Ok(()) };
    let enabled =
        ttl.get("Enabled").and_then(Node::scalar).is_none_or(|text| text.eq_ignore_ascii_case("true"));
    let specification = Document::structure([
        ("AttributeName", ttl.get("AttributeName").and_then(Node::scalar).into()),
        ("Enabled", enabled.into()),
    ]);
    let input = Document::structure([("TableName", name.into()), ("TimeToLiveSpecification", specification)]);
    job.hand.call("dynamodb", "UpdateTimeToLive", input).await?;
    Ok(())
}

fn encryption(node: &Node) -> Document {
    let enabled = node.get("SSEEnabled").and_then(Node::scalar).map(|text| text.eq_ignore_ascii_case("true"));
    let text = |key: &str| Document::from(node.get(key).and_then(Node::scalar));
    Document::structure([
        ("Enabled", enabled.into()),
        ("SSEType", text("SSEType")),
        ("KMSMasterKeyId", text("KMSMasterKeyId")),
    ])
}

/// Index changes one at a time, as the API demands.
async fn update_indexes(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let old = before.properties.get("GlobalSecondaryIndexes").map_or(&[][..], Node::items);
    let request = job.request()?;
    let new = request.get("GlobalSecondaryIndexes").map_or(&[][..], Document::items);
    let new_nodes = job.properties.get("GlobalSecondaryIndexes").map_or(&[][..], Node::items);
    let name_of = |node: &Node| node.get("IndexName").and_then(Node::scalar);
    let attributes = request.get("AttributeDefinitions").cloned().unwrap_or_default();
    let update = |change: Document| {
        Document::structure([
            ("TableName", before.id.into()),
            ("AttributeDefinitions", attributes.clone()),
            ("GlobalSecondaryIndexUpdates", Document::List(vec![change])),
        ])
    };
    for gone in old.iter().filter(|index| !new_nodes.contains(index)) {
        let index = Document::structure([("IndexName", name_of(gone).into())]);
        let input = update(Document::structure([("Delete", index)]));
        job.hand.call("dynamodb", "UpdateTable", input).await?;
        settled(job, before.id).await?;
    }
    for (node, index) in new_nodes.iter().zip(new) {
        if !old.contains(node) {
            let input = update(Document::structure([("Create", index.clone())]));
            job.hand.call("dynamodb", "UpdateTable", input).await?;
            settled(job, before.id).await?;
        }
    }
    Ok(())
}

async fn retag(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let arn = before.existing.attributes.get("Arn").cloned().unwrap_or_default();
    let resource = || Document::structure([("ResourceArn", arn.as_str().into())]);
    let keys = |node: &Node| -> Vec<String> {
        let tags = node.get("Tags").map_or(&[][..], Node::items);
        tags.iter().filter_map(|tag| tag.get("Key")?.scalar()).collect()
    };
    let now = keys(job.properties);
    let gone: Vec<String> = keys(before.properties).into_iter().filter(|key| !now.contains(key)).collect();
    if !gone.is_empty() {
        job.hand.call("dynamodb", "UntagResource", with(resource(), "TagKeys", gone.into())).await?;
    }
    if let Some(tags) = job.request()?.get("Tags").filter(|tags| !tags.items().is_empty()) {
        job.hand.call("dynamodb", "TagResource", with(resource(), "Tags", tags.clone())).await?;
    }
    Ok(())
}
