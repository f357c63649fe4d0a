//! What belongs to a function: `AWS::Lambda::Version`, `Alias`, `Url` and `EventInvokeConfig`.

use std::{collections::BTreeSet, time::Duration};

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::{NAME_MAX, text},
    kind::{Form, Kind, To, property},
};
use crate::template::Node;

pub(super) const VERSION: Kind = Kind {
    name: "AWS::Lambda::Version",
    maker: ("lambda", "PublishVersion"),
    properties: &[
        property("CodeSha256").replaces(),
        property("Description").replaces(),
        property("FunctionName").replaces().required(),
    ],
    attributes: &["FunctionArn", "Version"],
    named_by: None,
    provisioner: &Version,
};

pub(super) const ALIAS: Kind = Kind {
    name: "AWS::Lambda::Alias",
    maker: ("lambda", "CreateAlias"),
    properties: &[
        property("Description"),
        property("FunctionName").replaces().required(),
        property("FunctionVersion").required(),
        property("Name").replaces().required(),
        property("ProvisionedConcurrencyConfig")
            .to(To::Own(Form::Object(&["ProvisionedConcurrentExecutions"]))),
        property("RoutingConfig").to(To::Own(Form::Object(&["AdditionalVersionWeights"]))),
    ],
    attributes: &["AliasArn"],
    // Its name is its function's affair: aliases of two functions may be called the same.
    named_by: None,
    provisioner: &Alias,
};

pub(super) const URL: Kind = Kind {
    name: "AWS::Lambda::Url",
    maker: ("lambda", "CreateFunctionUrlConfig"),
    properties: &[
        property("AuthType").required(),
        property("Cors"),
        property("InvokeMode"),
        property("Qualifier").replaces(),
        property("TargetFunctionArn").to(To::Member("FunctionName")).replaces().required(),
    ],
    attributes: &["FunctionArn", "FunctionUrl"],
    named_by: None,
    provisioner: &Url,
};

pub(super) const EVENT_INVOKE_CONFIG: Kind = Kind {
    name: "AWS::Lambda::EventInvokeConfig",
    maker: ("lambda", "PutFunctionEventInvokeConfig"),
    properties: &[
        property("DestinationConfig"),
        property("FunctionName").replaces().required(),
        property("MaximumEventAgeInSeconds"),
        property("MaximumRetryAttempts"),
        property("Qualifier").replaces().required(),
    ],
    attributes: &[],
    named_by: None,
    provisioner: &EventInvokeConfig,
};

/// The property that keeps environments ready.
const PROVISIONED: &str = "ProvisionedConcurrencyConfig";

struct Version;
struct Alias;
struct Url;
struct EventInvokeConfig;

/// The numbers of a function's versions.
async fn versions(job: &Job<'_>) -> Result<BTreeSet<String>, Failure> {
    let (mut all, mut marker) = (BTreeSet::new(), None::<String>);
    loop {
        let mut input = Document::structure([("FunctionName", job.required("FunctionName")?.into())]);
        input.push("Marker", marker.into());
        let page = job.hand.call("lambda", "ListVersionsByFunction", input).await?;
        let items = page.get("Versions").map(Document::items).unwrap_or_default();
        all.extend(items.iter().map(|version| text(version, "Version")));
        marker = page.get("NextMarker").and_then(Document::as_str).map(str::to_owned);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

/// Waits until a version with SnapStart has its snapshot.
// AWS: the resource is complete when the version is active.
async fn settled(job: &Job<'_>, arn: &str) -> Result<(), Failure> {
    for _ in 0..LOOKS_MAX {
        let input = Document::structure([("FunctionName", arn.into())]);
        let shown = job.hand.call("lambda", "GetFunctionConfiguration", input).await?;
        match text(&shown, "State").as_str() {
            "Pending" => tokio::time::sleep(Duration::from_millis(LOOK_MS)).await,
            "Active" => return Ok(()),
            _ => return Err(text(&shown, "StateReason").as_str().into()),
        }
    }
    Err("the version did not become active".into())
}

/// Looks at a version before giving up: its start may take 900 seconds.
const LOOKS_MAX: u32 = 9_000;
/// Milliseconds between two looks. Our own figure.
const LOOK_MS: u64 = 100;

impl Provisioner for Version {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let before = versions(job).await?;
            let answer = job.hand.call("lambda", "PublishVersion", job.request()?).await?;
            let (arn, version) = (text(&answer, "FunctionArn"), text(&answer, "Version"));
            if before.contains(&version) {
                // AWS: a version that was there before is not this resource's: deleting it would take another's.
                let text = format!(
                    "A version for this Lambda function exists ( {version} ). Modify the function to create a new version."
                );
                return Err(text.as_str().into());
            }
            if text(&answer, "State") == "Pending" {
                settled(job, &arn).await?;
            }
            Ok(Made::of(arn.clone(), [("FunctionArn", arn), ("Version", version)]))
        })
    }

    fn update<'a>(&'a self, _job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move { Ok(Made::unchanged(before)) })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            // Its id names the version; without one the whole function would be meant.
            let Some((_, version)) =
                id.rsplit_once(':').filter(|(_, version)| version.parse::<u64>().is_ok())
            else {
                return Err("the version's id names no version".into());
            };
            let input = Document::structure([("FunctionName", id.into()), ("Qualifier", version.into())]);
            Ok(job.hand.remove("lambda", "DeleteFunction", input).await?)
        })
    }
}

/// `[{FunctionVersion, FunctionWeight}]` as the map that the API takes.
fn routing(job: &Job<'_>) -> Result<Document, Failure> {
    let weights = job.properties.get("RoutingConfig").and_then(|node| node.get("AdditionalVersionWeights"));
    let mut entries = Vec::new();
    for item in weights.map_or(&[][..], Node::items) {
        let part = |name: &str| item.get(name).and_then(Node::scalar);
        let weight = part("FunctionWeight").and_then(|weight| weight.parse().ok());
        let (Some(version), Some(weight)) = (part("FunctionVersion"), weight) else {
            return Err("AdditionalVersionWeights needs FunctionVersion and FunctionWeight".into());
        };
        entries.push((version, Document::Double(weight)));
    }
    Ok(Document::structure([("AdditionalVersionWeights", Document::Map(entries))]))
}

/// The alias as operations on what is provisioned name it.
fn alias_place(job: &Job<'_>) -> Result<Document, Failure> {
    let (function, name) = (job.required("FunctionName")?, job.required("Name")?);
    Ok(Document::structure([("FunctionName", function.into()), ("Qualifier", name.into())]))
}

/// Provisions as many environments as the template says.
async fn provision(job: &Job<'_>) -> Result<(), Failure> {
    let config = job.properties.get(PROVISIONED);
    let count =
        config.and_then(|config| config.get("ProvisionedConcurrentExecutions")?.scalar()?.parse().ok());
    let Some(count) = count else {
        return Err("ProvisionedConcurrencyConfig needs ProvisionedConcurrentExecutions, a number".into());
    };
    let mut input = alias_place(job)?;
    input.push("ProvisionedConcurrentExecutions", Document::Integer(count));
    job.hand.call("lambda", "PutProvisionedConcurrencyConfig", input).await?;
    Ok(())
}

impl Provisioner for Alias {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            request.push("RoutingConfig", routing(job)?);
            let answer = job.hand.call("lambda", "CreateAlias", request).await?;
            let arn = text(&answer, "AliasArn");
            if job.properties.get(PROVISIONED).is_some() {
                provision(job).await.map_err(|failure| failure.after(&arn))?;
            }
            Ok(Made::of(arn.clone(), [("AliasArn", arn)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for("lambda", "UpdateAlias")?;
            request.push("RoutingConfig", routing(job)?);
            super::gateway::default(&mut request, "Description", "".into());
            job.hand.call("lambda", "UpdateAlias", request).await?;
            match (before.properties.get(PROVISIONED), job.properties.get(PROVISIONED)) {
                (before, after) if before == after => {}
                (_, Some(_)) => provision(job).await?,
                (_, None) => {
                    let input = alias_place(job)?;
                    job.hand.remove("lambda", "DeleteProvisionedConcurrencyConfig", input).await?;
                }
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let (function, name) = (job.required("FunctionName")?, job.required("Name")?);
            let input = Document::structure([("FunctionName", function.into()), ("Name", name.into())]);
            Ok(job.hand.remove("lambda", "DeleteAlias", input).await?)
        })
    }
}

impl Provisioner for Url {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call("lambda", "CreateFunctionUrlConfig", job.request()?).await?;
            let (arn, url) = (text(&answer, "FunctionArn"), text(&answer, "FunctionUrl"));
            Ok(Made::of(arn.clone(), [("FunctionArn", arn), ("FunctionUrl", url)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for("lambda", "UpdateFunctionUrlConfig")?;
            super::gateway::default(&mut request, "InvokeMode", "BUFFERED".into());
            super::gateway::default(&mut request, "Cors", Document::empty());
            job.hand.call("lambda", "UpdateFunctionUrlConfig", request).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let mut input =
                Document::structure([("FunctionName", job.required("TargetFunctionArn")?.into())]);
            input.push("Qualifier", job.text("Qualifier").into());
            Ok(job.hand.remove("lambda", "DeleteFunctionUrlConfig", input).await?)
        })
    }
}

impl Provisioner for EventInvokeConfig {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            job.hand.call("lambda", "PutFunctionEventInvokeConfig", job.request()?).await?;
            Ok(Made::of(job.name("", NAME_MAX), []))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            // Puts the whole: what the template no longer has is gone.
            job.hand.call("lambda", "PutFunctionEventInvokeConfig", job.request()?).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let (function, qualifier) = (job.required("FunctionName")?, job.required("Qualifier")?);
            let input =
                Document::structure([("FunctionName", function.into()), ("Qualifier", qualifier.into())]);
            Ok(job.hand.remove("lambda", "DeleteFunctionEventInvokeConfig", input).await?)
        })
    }
}
