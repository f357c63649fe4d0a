//! `AssumeRoleWithSAML`: temporary credentials for a role, by a signed response of a registered SAML provider.

use casemate_kernel::{Access, BoxFuture, Call, Caller, Evidence, Operation};
use casemate_names::{Arn, Timestamp};

use crate::{
    Sts,
    api::{AssumeRoleWithSAML, AssumeRoleWithSAMLInput, AssumeRoleWithSAMLOutput, Error},
    roles::{Limits, ask_for_identity, role_arn},
    saml::Asked,
};

const ACTION: &str = "sts:AssumeRoleWithSAML";

/// Characters of a response.
// AWS: STS API reference, AssumeRoleWithSAML, `SAMLAssertion`.
const RESPONSE_CHARS_MAX: usize = 100_000;

impl Operation<AssumeRoleWithSAML> for Sts {
    fn access(&self, input: &AssumeRoleWithSAMLInput, caller: &Caller) -> Result<Access, Error> {
        let (role, _) = role_arn(&input.role_arn)?;
        let name = match caller {
            Caller::WebIdentity(identity) => identity.session_name.as_deref().unwrap_or_default(),
            _ => "",
        };
        Ok(ask_for_identity(ACTION, &role, name, caller))
    }

    fn evidence<'a>(
        &'a self,
        input: &'a AssumeRoleWithSAMLInput,
        _caller: &'a Caller,
        now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Error>>> {
        Some(Box::pin(async move {
            let (role, account) = role_arn(&input.role_arn)?;
            let provider = Arn::parse(&input.principal_arn)
                .map_err(|_| Error::Validation(format!("{} is invalid", input.principal_arn)))?;
            let response = input.saml_assertion.expose();
            if response.len() > RESPONSE_CHARS_MAX {
                return Err(Error::Validation("SAMLAssertion is too long.".to_owned()));
            }
            let asked = Asked { role: &role, account: &account, provider: &provider };
            let identity = self.believe_response(response, asked, now).await?;
            Ok(Evidence::Identity(Box::new(identity)))
        }))
    }

    async fn run(&self, call: Call<AssumeRoleWithSAML>) -> Result<AssumeRoleWithSAMLOutput, Error> {
        let (input, permit) = call.into_parts();
        let limits = Limits {
            duration_s: input.duration_seconds,
            policy: input.policy.as_deref(),
            policy_arns: input.policy_arns.as_deref(),
        };
        // The name is the provider's.
        let (made, identity) =
            self.assume_for_identity(ACTION, &permit, &input.role_arn, None, limits).await?;
        Ok(AssumeRoleWithSAMLOutput {
            credentials: Some(made.credentials),
            assumed_role_user: Some(made.user),
            packed_policy_size: made.packed,
            subject: Some(identity.subject.clone()),
            subject_type: identity.shown("subject_type"),
            issuer: identity.shown("issuer"),
            audience: identity.shown("audience"),
            name_qualifier: identity.shown("name_qualifier"),
            source_identity: identity.source_identity.clone(),
            ..AssumeRoleWithSAMLOutput::default()
        })
    }
}
