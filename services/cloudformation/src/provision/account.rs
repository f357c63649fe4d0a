//! `AWS::ApiGateway::Account`.
// DIVERGES: needs the operation UpdateAccount; where that is missing, templates that name this type are refused.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::patch,
    kind::{Form, Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::ApiGateway::Account",
    maker: ("apigateway", "UpdateAccount"),
    properties: &[property("CloudWatchRoleArn").to(To::Own(Form::Text))],
    attributes: &["Id"],
    named_by: None,
    provisioner: &Account,
};

struct Account;

impl Provisioner for Account {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            set(job).await?;
            let id = job.name("", super::gateway::NAME_MAX);
            Ok(Made::of(id.clone(), [("Id", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            set(job).await?;
            Ok(Made::unchanged(before))
        })
    }

    /// AWS: deleting it leaves the account's setting as it is.
    fn delete<'a>(&'a self, _job: &'a Job<'a>, _id: &'a str) -> Work<'a, ()> {
        Box::pin(async move { Ok(()) })
    }
}

async fn set(job: &Job<'_>) -> Result<(), Failure> {
    let role = job.text("CloudWatchRoleArn").unwrap_or_default();
    let patches = Document::List(vec![patch("replace", "/cloudwatchRoleArn", Some(role))]);
    job.hand.call("apigateway", "UpdateAccount", Document::structure([("patchOperations", patches)])).await?;
    Ok(())
}
