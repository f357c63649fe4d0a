//! `AWS::Cognito::UserPoolClient`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{default, text},
    kind::{Kind, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Cognito::UserPoolClient",
    maker: ("cognito-idp", "CreateUserPoolClient"),
    properties: &[
        property("AccessTokenValidity"),
        property("AllowedOAuthFlows"),
        property("AllowedOAuthFlowsUserPoolClient"),
        property("AllowedOAuthScopes"),
        property("AuthSessionValidity"),
        property("CallbackURLs"),
        property("ClientName"),
        property("DefaultRedirectURI"),
        property("EnablePropagateAdditionalUserContextData"),
        property("EnableTokenRevocation"),
        property("ExplicitAuthFlows"),
        property("GenerateSecret").replaces(),
        property("IdTokenValidity"),
        property("LogoutURLs"),
        property("PreventUserExistenceErrors"),
        property("ReadAttributes"),
        property("RefreshTokenRotation"),
        property("RefreshTokenValidity"),
        property("SupportedIdentityProviders"),
        property("TokenValidityUnits"),
        property("UserPoolId").replaces().required(),
        property("WriteAttributes"),
    ],
    attributes: &["ClientId", "ClientSecret", "Name"],
    named_by: None,
    provisioner: &Client,
};

/// AWS: client names have at most 128 characters.
const NAME_MAX: usize = 128;

struct Client;

impl Provisioner for Client {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            default(&mut request, "ClientName", job.name("ClientName", NAME_MAX).into());
            let answer = job.hand.call("cognito-idp", "CreateUserPoolClient", request).await?;
            let client = answer.get("UserPoolClient").cloned().unwrap_or_default();
            let id = text(&client, "ClientId");
            let attributes = [
                ("ClientId", id.clone()),
                ("ClientSecret", text(&client, "ClientSecret")),
                ("Name", text(&client, "ClientName")),
            ];
            Ok(Made::of(id, attributes))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for("cognito-idp", "UpdateUserPoolClient")?;
            request.push("ClientId", before.id.into());
            job.hand.call("cognito-idp", "UpdateUserPoolClient", request).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let pool = job.required("UserPoolId")?;
            let input = Document::structure([("UserPoolId", pool.into()), ("ClientId", id.into())]);
            Ok(job.hand.remove("cognito-idp", "DeleteUserPoolClient", input).await?)
        })
    }
}
