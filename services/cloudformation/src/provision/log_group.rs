//! `AWS::Logs::LogGroup`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    kind::{Form, Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Logs::LogGroup",
    maker: ("logs", "CreateLogGroup"),
    properties: &[
        property("LogGroupName").to(To::Member("logGroupName")).replaces(),
        property("RetentionInDays").to(To::Own(Form::Text)),
        property("Tags").to(To::TagMap("tags")).replaces(),
    ],
    attributes: &["Arn"],
    named_by: Some("LogGroupName"),
    provisioner: &LogGroup,
};

/// AWS: log group names have at most 512 characters.
const NAME_MAX: usize = 512;

struct LogGroup;

impl Provisioner for LogGroup {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name("LogGroupName", NAME_MAX);
            let mut request = job.request()?;
            if request.get("logGroupName").is_none() {
                request.push("logGroupName", name.as_str().into());
            }
            job.hand.call("logs", "CreateLogGroup", request).await?;
            retain(job, &name).await.map_err(|failure| failure.after(&name))?;
            let arn = casemate_names::Arn::regional(job.hand.scope, "logs", &format!("log-group:{name}:*"));
            Ok(Made::of(&name, [("Arn", arn.as_str().to_owned())]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            if job.text("RetentionInDays").is_some() {
                retain(job, before.id).await?;
            } else {
                let input = Document::structure([("logGroupName", before.id.into())]);
                job.hand.remove("logs", "DeleteRetentionPolicy", input).await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("logGroupName", id.into())]);
            Ok(job.hand.remove("logs", "DeleteLogGroup", input).await?)
        })
    }
}

async fn retain(job: &Job<'_>, name: &str) -> Result<(), Failure> {
    let Some(days) = job.text("RetentionInDays") else { return Ok(()) };
    let days: i64 = days.parse().map_err(|_| Failure::from("RetentionInDays must be a whole number"))?;
    let input = Document::structure([("logGroupName", name.into()), ("retentionInDays", days.into())]);
    job.hand.call("logs", "PutRetentionPolicy", input).await?;
    Ok(())
}
