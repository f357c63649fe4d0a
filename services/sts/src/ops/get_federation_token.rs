//! `GetFederationToken`: temporary credentials of a federated user, for whom the user who asks vouches.

use casemate_kernel::{Access, Ask, Call, Caller, FederatedRequest, Operation};

use crate::{
    Sts,
    api::{Error, FederatedUser, GetFederationToken, GetFederationTokenInput, GetFederationTokenOutput},
    asserted::given_tags,
    policies,
    resource::federated_user_arn,
    roles::shown,
    session::user_duration_s,
    with_session_credentials,
};

impl Operation<GetFederationToken> for Sts {
    fn access(&self, input: &GetFederationTokenInput, caller: &Caller) -> Result<Access, Error> {
        let account = caller.account().unwrap_or_else(|| self.env.site.scope.account.clone());
        let given = input.tags.as_deref().unwrap_or_default();
        let tags = given.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
        let ask = |action: &'static str| {
            Ask::on(action, federated_user_arn(&account, &input.name)).with_request_tags(tags.clone())
        };
        let access = Access::Iam(vec![ask("sts:GetFederationToken")]);
        // AWS: IAM User Guide, "Pass session tags": a right of its own.
        Ok(if given.is_empty() { access } else { access.and(ask("sts:TagSession")) })
    }

    async fn run(&self, call: Call<GetFederationToken>) -> Result<GetFederationTokenOutput, Error> {
        let input = &call.input;
        let account = match call.caller() {
            Caller::User { account, .. } | Caller::Root { account } => account.clone(),
            _ => return Err(with_session_credentials("GetFederationToken")),
        };
        let sessions = self.env.sessions()?;
        let limits = (input.policy.as_deref(), input.policy_arns.as_deref());
        let policies = policies::read(&sessions, &account, limits.0, limits.1)?;
        let request = FederatedRequest {
            name: input.name.clone(),
            duration_s: user_duration_s(input.duration_seconds, call.caller()),
            policies: policies.documents.unwrap_or_default(),
            tags: given_tags(input.tags.as_deref())?,
        };
        let made = sessions.mint_federated(call.permit(), request).await?;
        let user = FederatedUser {
            federated_user_id: made.caller.user_id().unwrap_or_default(),
            arn: made.caller.arn_text(),
        };
        let (id, secret) = (made.access_key_id, made.secret_access_key);
        Ok(GetFederationTokenOutput {
            credentials: Some(shown(id, secret, &made.session_token, made.expires_at)),
            federated_user: Some(user),
            packed_policy_size: policies.packed,
            ..GetFederationTokenOutput::default()
        })
    }
}
