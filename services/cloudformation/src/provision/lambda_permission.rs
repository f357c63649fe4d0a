//! `AWS::Lambda::Permission`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::NAME_MAX,
    kind::{Kind, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Lambda::Permission",
    maker: ("lambda", "AddPermission"),
    properties: &[
        property("Action").replaces().required(),
        property("EventSourceToken").replaces(),
        property("FunctionName").replaces().required(),
        property("FunctionUrlAuthType").replaces(),
        property("InvokedViaFunctionUrl").replaces(),
        property("Principal").replaces().required(),
        property("PrincipalOrgID").replaces(),
        property("SourceAccount").replaces(),
        property("SourceArn").replaces(),
    ],
    attributes: &["Id"],
    named_by: None,
    provisioner: &Permission,
};

struct Permission;

impl Provisioner for Permission {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let id = job.name("", NAME_MAX);
            let mut request = job.request()?;
            request.push("StatementId", id.as_str().into());
            job.hand.call("lambda", "AddPermission", request).await?;
            Ok(Made::of(id.clone(), [("Id", id)]))
        })
    }

    fn update<'a>(&'a self, _job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move { Ok(Made::unchanged(before)) })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let function = job.required("FunctionName")?;
            let input = Document::structure([("FunctionName", function.into()), ("StatementId", id.into())]);
            Ok(job.hand.remove("lambda", "RemovePermission", input).await?)
        })
    }
}
