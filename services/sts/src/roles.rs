//! What the three ways to assume a role have in common.

use casemate_kernel::{Access, Ask, Caller, Fault, Permit, SessionRequest, WebIdentity};
use casemate_names::{AccountId, Arn, Secret, Timestamp};

use crate::{
    Sts,
    api::{AssumedRoleUser, Credentials, Error, PolicyDescriptorType},
    policies, session,
};

/// What every assumed role is answered with.
pub(crate) struct Assumed {
    pub(crate) user: AssumedRoleUser,
    pub(crate) credentials: Credentials,
    pub(crate) packed: Option<i32>,
}

/// What limits the session, as given.
pub(crate) struct Limits<'a> {
    pub(crate) duration_s: Option<i32>,
    pub(crate) policy: Option<&'a str>,
    pub(crate) policy_arns: Option<&'a [PolicyDescriptorType]>,
}

/// The ARN of a role, and its account.
pub(crate) fn role_arn(text: &str) -> Result<(Arn, AccountId), Error> {
    // AWS: text of ValidationError.
    let refused = || Error::Validation(format!("{text} is invalid"));
    let arn = Arn::parse(text).ok().filter(|arn| {
        arn.service() == "iam" && arn.resource().starts_with("role/") && arn.region().is_empty()
    });
    let arn = arn.ok_or_else(refused)?;
    let account = arn.account_id().ok_or_else(refused)?;
    Ok((arn, account))
}

/// Credentials as answers show them.
pub(crate) fn shown(
    access_key_id: String,
    secret: Secret<String>,
    token: &Secret<String>,
    expires_at: Timestamp,
) -> Credentials {
    Credentials {
        access_key_id,
        secret_access_key: secret,
        session_token: token.expose().clone(),
        // AWS: to the second.
        expiration: Timestamp::from_seconds(expires_at.seconds()),
    }
}

/// What an identity of a provider asks for: the role, and for tags and source identity a right of their own.
// AWS: IAM User Guide, "Pass session tags in AWS STS": the trust policy must also allow sts:TagSession.
pub(crate) fn ask_for_identity(
    action: &'static str,
    role: &Arn,
    session_name: &str,
    caller: &Caller,
) -> Access {
    // Who brings no evidence (an inner call) asks for the role all the same; it is refused when the call runs.
    let Caller::WebIdentity(identity) = caller else { return Access::on(action, role.clone()) };
    let tags = identity.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let ask = |action: &'static str| {
        let mut ask = Ask::on(action, role.clone()).with_request_tags(tags.clone());
        for (key, value) in &identity.keys {
            ask = ask.with(key, value.clone());
        }
        if !session_name.is_empty() {
            ask = ask.with("sts:RoleSessionName", session_name);
        }
        if !identity.transitive_tags.is_empty() {
            ask = ask.with("sts:TransitiveTagKeys", identity.transitive_tags.clone());
        }
        // DIVERGES: AWS tells whether the provider itself authorised the role; of what it goes by nothing is documented.
        ask = ask.with_unknown("sts:RoleAuthorizedByIdp");
        match &identity.source_identity {
            Some(source) => ask.with("sts:SourceIdentity", source.clone()),
            None => ask,
        }
    };
    let mut access = Access::Iam(vec![ask(action)]);
    if !identity.tags.is_empty() {
        access = access.and(ask("sts:TagSession"));
    }
    if identity.source_identity.is_some() {
        access = access.and(ask("sts:SetSourceIdentity"));
    }
    access
}

/// What one who is nobody yet learns of a refusal.
pub(crate) fn unauthorized(action: &str) -> Error {
    // AWS: text of AccessDenied.
    Fault::coded("AccessDenied", 403, format!("Not authorized to perform {action}")).into()
}

impl Sts {
    /// Makes the session of an identity that the gate has admitted to the role; answers with the identity. The session's
    /// name is the one given, or else the one that the provider chose.
    pub(crate) async fn assume_for_identity<'p>(
        &self,
        action: &str,
        permit: &'p Permit,
        role: &str,
        session_name: Option<String>,
        limits: Limits<'_>,
    ) -> Result<(Assumed, &'p WebIdentity), Error> {
        let Caller::WebIdentity(identity) = permit.caller() else { return Err(unauthorized(action)) };
        let session_name = session_name.or_else(|| identity.session_name.clone());
        let session_name = session_name.ok_or_else(|| unauthorized(action))?;
        let (arn, account) = role_arn(role)?;
        let sessions = self.env.sessions()?;
        let role = sessions.admitted_role(permit, &arn)?;
        let asked_s = session::duration_s(limits.duration_s, role.session_s_max, permit.caller())?;
        let policies = policies::read(&sessions, &account, limits.policy, limits.policy_arns)?;
        let request = SessionRequest {
            role,
            session_name,
            duration_s: identity.session_s_max.map_or(asked_s, |most| most.min(asked_s)),
            policies: policies.documents,
            tags: identity.tags.clone(),
            transitive_tags: identity.transitive_tags.clone(),
            source_identity: identity.source_identity.clone(),
            bound_to: None,
            source_function: None,
        };
        let made = sessions.mint(permit, request).await?;
        let (id, secret) = (made.access_key_id, made.secret_access_key);
        let assumed = Assumed {
            user: AssumedRoleUser {
                assumed_role_id: format!("{}:{}", made.session.role_unique_id, made.session.session_name),
                arn: made.session.session_arn.as_str().to_owned(),
            },
            credentials: shown(id, secret, &made.session_token, made.expires_at),
            packed: policies.packed,
        };
        Ok((assumed, identity))
    }
}
