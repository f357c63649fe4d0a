//! `AWS::IAM::AccessKey`. Its secret is an attribute, kept sealed with the resource's row.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::text,
    kind::{Form, Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::AccessKey",
    maker: ("iam", "CreateAccessKey"),
    properties: &[
        property("Serial").to(To::Own(Form::Text)).replaces(),
        property("Status").to(To::Own(Form::Text)),
        property("UserName").replaces().required(),
    ],
    attributes: &["SecretAccessKey"],
    named_by: None,
    provisioner: &AccessKey,
};

struct AccessKey;

impl Provisioner for AccessKey {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call("iam", "CreateAccessKey", job.request()?).await?;
            let key = answer.get("AccessKey").cloned().unwrap_or_default();
            let id = text(&key, "AccessKeyId");
            set_status(job, &id).await.map_err(|failure| failure.after(&id))?;
            Ok(Made::of(id, [("SecretAccessKey", text(&key, "SecretAccessKey"))]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            set_status(job, before.id).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let user = job.required("UserName")?;
            let input = Document::structure([("UserName", user.into()), ("AccessKeyId", id.into())]);
            Ok(job.hand.remove("iam", "DeleteAccessKey", input).await?)
        })
    }
}

async fn set_status(job: &Job<'_>, id: &str) -> Result<(), super::Failure> {
    let Some(status) = job.text("Status") else { return Ok(()) };
    let input = Document::structure([
        ("UserName", job.required("UserName")?.into()),
        ("AccessKeyId", id.into()),
        ("Status", status.into()),
    ]);
    job.hand.call("iam", "UpdateAccessKey", input).await?;
    Ok(())
}
