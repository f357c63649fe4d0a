//! `AssumeRoleWithWebIdentity`: temporary credentials for a role, by a token of a registered OpenID Connect provider.

use casemate_kernel::{Access, BoxFuture, Call, Caller, Evidence, Operation};
use casemate_names::Timestamp;

use crate::{
    Sts,
    api::{
        AssumeRoleWithWebIdentity, AssumeRoleWithWebIdentityInput, AssumeRoleWithWebIdentityOutput, Error,
    },
    roles::{Limits, ask_for_identity, role_arn},
};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

impl Operation<AssumeRoleWithWebIdentity> for Sts {
    fn access(&self, input: &AssumeRoleWithWebIdentityInput, caller: &Caller) -> Result<Access, Error> {
        let (role, _) = role_arn(&input.role_arn)?;
        Ok(ask_for_identity(ACTION, &role, &input.role_session_name, caller))
    }

    fn evidence<'a>(
        &'a self,
        input: &'a AssumeRoleWithWebIdentityInput,
        _caller: &'a Caller,
        now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Error>>> {
        Some(Box::pin(async move {
            if input.provider_id.is_some() {
                // DIVERGES: the OAuth 2.0 access tokens of two companies that AWS also takes are not supported.
                return Err(Error::Validation("ProviderId is not supported.".to_owned()));
            }
            let (_, account) = role_arn(&input.role_arn)?;
            let token = input.web_identity_token.expose();
            let identity = self.believe_token(token, &account, now).await?;
            Ok(Evidence::Identity(Box::new(identity)))
        }))
    }

    async fn run(
        &self,
        call: Call<AssumeRoleWithWebIdentity>,
    ) -> Result<AssumeRoleWithWebIdentityOutput, Error> {
        let (input, permit) = call.into_parts();
        let limits = Limits {
            duration_s: input.duration_seconds,
            policy: input.policy.as_deref(),
            policy_arns: input.policy_arns.as_deref(),
        };
        let name = Some(input.role_session_name);
        let (made, identity) =
            self.assume_for_identity(ACTION, &permit, &input.role_arn, name, limits).await?;
        Ok(AssumeRoleWithWebIdentityOutput {
            credentials: Some(made.credentials),
            assumed_role_user: Some(made.user),
            packed_policy_size: made.packed,
            subject_from_web_identity_token: Some(identity.subject.clone()),
            provider: identity.shown("issuer"),
            audience: identity.shown("audience"),
            source_identity: identity.source_identity.clone(),
            ..AssumeRoleWithWebIdentityOutput::default()
        })
    }
}
