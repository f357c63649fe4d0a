//! `AWS::Cognito::UserPool`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::{default, text},
    kind::{Kind, To, property},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Cognito::UserPool",
    maker: ("cognito-idp", "CreateUserPool"),
    properties: &[
        property("AccountRecoverySetting"),
        property("AdminCreateUserConfig"),
        property("AliasAttributes").replaces(),
        property("AutoVerifiedAttributes"),
        property("DeletionProtection"),
        property("DeviceConfiguration"),
        property("EmailConfiguration"),
        property("EmailVerificationMessage"),
        property("EmailVerificationSubject"),
        property("LambdaConfig"),
        property("MfaConfiguration"),
        property("Policies"),
        property("Schema").replaces(),
        property("SmsAuthenticationMessage"),
        property("SmsConfiguration"),
        property("SmsVerificationMessage"),
        property("UserAttributeUpdateSettings"),
        property("UserPoolAddOns"),
        property("UserPoolName").to(To::Member("PoolName")),
        property("UserPoolTags"),
        property("UserPoolTier"),
        property("UsernameAttributes").replaces(),
        property("UsernameConfiguration").replaces(),
        property("VerificationMessageTemplate"),
    ],
    attributes: &["Arn", "ProviderName", "ProviderURL", "UserPoolId"],
    named_by: None,
    provisioner: &UserPool,
};

/// AWS: pool names have at most 128 characters.
const NAME_MAX: usize = 128;

struct UserPool;

impl Provisioner for UserPool {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request()?;
            default(&mut request, "PoolName", job.name("UserPoolName", NAME_MAX).into());
            let answer = job.hand.call("cognito-idp", "CreateUserPool", request).await?;
            let pool = answer.get("UserPool").cloned().unwrap_or_default();
            let id = text(&pool, "Id");
            // AWS: the issuer's host and path.
            let region = job.hand.scope.region.as_str();
            let provider = format!("cognito-idp.{region}.amazonaws.com/{id}");
            let attributes = [
                ("Arn", text(&pool, "Arn")),
                ("ProviderURL", format!("https://{provider}")),
                ("ProviderName", provider),
                ("UserPoolId", id.clone()),
            ];
            Ok(Made::of(id, attributes))
        })
    }

    /// AWS: an update sets everything; what it leaves out goes back to its default.
    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let mut request = job.request_for("cognito-idp", "UpdateUserPool")?;
            request.push("UserPoolId", before.id.into());
            job.hand.call("cognito-idp", "UpdateUserPool", request).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("UserPoolId", id.into())]);
            Ok(job.hand.remove("cognito-idp", "DeleteUserPool", input).await?)
        })
    }
}
