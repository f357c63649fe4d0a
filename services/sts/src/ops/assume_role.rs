//! `AssumeRole`: temporary credentials for a role.

use casemate_kernel::{Access, Ask, Call, Caller, Fault, Operation, SessionRequest};
use casemate_names::{Arn, Timestamp};

use crate::{
    Sts,
    api::{
        AssumeRole, AssumeRoleInput, AssumeRoleOutput, AssumedRoleUser, Credentials, Error,
        PolicyDescriptorType,
    },
    session,
};

/// Session policies by ARN.
// AWS: STS API reference, AssumeRole, `PolicyArns`.
const POLICY_ARNS_MAX: usize = 10;

/// Characters of the inline session policy and the ARNs together; `PackedPolicySize` is relative to it.
// AWS: STS API reference: 2,048 for the plain text. The packed binary limit is not published.
const POLICY_CHARS_MAX: usize = 2048;

/// Names and documents; `None` when the session has none.
type SessionPolicies = Option<Vec<(String, String)>>;

impl Operation<AssumeRole> for Sts {
    fn access(&self, input: &AssumeRoleInput, caller: &Caller) -> Result<Access, Error> {
        let role = role_arn(&input.role_arn)?;
        let inherited = session::inherited(caller);
        let source_identity = session::source_identity(input, caller)?;
        let given =
            input.tags.as_deref().unwrap_or_default().iter().map(|t| (t.key.as_str(), t.value.as_str()));
        let passed = inherited.all.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let tags: Vec<(&str, &str)> = given.chain(passed).collect();
        let mut transitive = input.transitive_tag_keys.clone().unwrap_or_default();
        transitive.extend(inherited.transitive);
        let optional = [
            ("sts:RoleSessionName", Some(&input.role_session_name).filter(|name| !name.is_empty())),
            ("sts:ExternalId", input.external_id.as_ref()),
            ("sts:SourceIdentity", source_identity.as_ref()),
        ];
        // One request, one set of condition keys for every right it needs.
        let ask = |action: &'static str| {
            let ask = Ask::on(action, role.clone()).with_request_tags(tags.iter().copied());
            let known =
                optional.iter().filter_map(|(key, value)| value.map(|value| (*key, vec![value.clone()])));
            let transitive = (!transitive.is_empty()).then(|| ("sts:TransitiveTagKeys", transitive.clone()));
            known.chain(transitive).fold(ask, |ask, (key, values)| ask.with(key, values))
        };
        let mut access = Access::Iam(vec![ask("sts:AssumeRole")]);
        // AWS: IAM User Guide, "Pass session tags": tags, also inherited ones, need a right of their own on both sides.
        if !tags.is_empty() {
            access = access.and(ask("sts:TagSession"));
        }
        if source_identity.is_some() {
            access = access.and(ask("sts:SetSourceIdentity"));
        }
        Ok(access)
    }

    async fn run(&self, call: Call<AssumeRole>) -> Result<AssumeRoleOutput, Error> {
        let input = &call.input;
        if matches!(call.caller(), Caller::Root { .. }) {
            // AWS: text of AccessDenied.
            return Err(denied("Roles may not be assumed by root accounts."));
        }
        if input.serial_number.is_some() || input.token_code.is_some() {
            // DIVERGES: there are no MFA devices, so none can be right.
            return Err(denied("MultiFactorAuthentication failed with invalid MFA one time pass code."));
        }
        if input.provided_contexts.as_ref().is_some_and(|contexts| !contexts.is_empty()) {
            return Err(Error::Validation("ProvidedContexts are not supported.".to_owned()));
        }
        let arn = role_arn(&input.role_arn)?;
        let sessions = self.env.sessions()?;
        let role = sessions
            .role(&arn)?
            .ok_or_else(|| Fault::broken(format!("the role {arn} was admitted and is gone")))?;
        let duration_s = session::duration_s(input.duration_seconds, role.session_s_max, call.caller())?;
        let tags = session::tags(input, call.caller())?;
        let source_identity = session::source_identity(input, call.caller())?;
        let (policies, packed) = self.session_policies(input)?;
        let binding = session::binding(call.caller());
        let request = SessionRequest {
            role,
            session_name: input.role_session_name.clone(),
            duration_s,
            policies,
            tags: tags.all,
            transitive_tags: tags.transitive,
            source_identity: source_identity.clone(),
            bound_to: binding.environment,
            source_function: binding.function,
        };
        let made = sessions.mint(call.permit(), request).await?;
        Ok(AssumeRoleOutput {
            assumed_role_user: Some(AssumedRoleUser {
                assumed_role_id: format!("{}:{}", made.session.role_unique_id, made.session.session_name),
                arn: made.session.session_arn.as_str().to_owned(),
            }),
            credentials: Some(Credentials {
                access_key_id: made.access_key_id,
                secret_access_key: made.secret_access_key,
                session_token: made.session_token.expose().clone(),
                // AWS: to the second.
                expiration: Timestamp::from_seconds(made.expires_at.seconds()),
            }),
            packed_policy_size: packed,
            source_identity,
            ..AssumeRoleOutput::default()
        })
    }
}

impl Sts {
    /// The documents that limit the session, by name, and how much of the room for them they take, in percent.
    fn session_policies(&self, input: &AssumeRoleInput) -> Result<(SessionPolicies, Option<i32>), Error> {
        let arns = input.policy_arns.as_deref().unwrap_or_default();
        if arns.len() > POLICY_ARNS_MAX {
            return Err(Error::Validation(format!(
                "A session can have at most {POLICY_ARNS_MAX} policy ARNs."
            )));
        }
        let mut policies = Vec::new();
        if let Some(text) = &input.policy {
            check(text)?;
            policies.push(("session policy".to_owned(), text.clone()));
        }
        let sessions = self.env.sessions()?;
        for PolicyDescriptorType { arn } in arns {
            let arn = arn.clone().unwrap_or_default();
            let found = sessions.managed_policy(&arn)?.filter(|_| is_usable(&arn, &input.role_arn));
            let text = found.ok_or_else(|| {
                Error::Validation(format!(
                    "The specified policy {arn} does not exist or cannot be used here."
                ))
            })?;
            policies.push((arn, text));
        }
        let chars = input.policy.as_deref().unwrap_or("").chars().count()
            + arns.iter().filter_map(|descriptor| descriptor.arn.as_deref()).map(str::len).sum::<usize>();
        if chars > POLICY_CHARS_MAX {
            return Err(Error::packed_policy_too_large_exception(
                "Packed size of session policies exceeds the limit.",
            ));
        }
        let packed = i32::try_from(chars * 100 / POLICY_CHARS_MAX).ok();
        let limited = !policies.is_empty();
        Ok((limited.then_some(policies), packed.filter(|_| limited)))
    }
}

/// Session policies are AWS's own or of the role's account.
fn is_usable(policy_arn: &str, role_arn: &str) -> bool {
    match (Arn::parse(policy_arn), Arn::parse(role_arn)) {
        (Ok(policy), Ok(role)) => policy.account() == "aws" || policy.account() == role.account(),
        _ => false,
    }
}

fn check(text: &str) -> Result<(), Error> {
    use casemate_kernel::policy::{Kind, Policy};
    Policy::parse(text, Kind::Session)
        .map(drop)
        .map_err(|error| Error::malformed_policy_document_exception(error.to_string()))
}

fn role_arn(text: &str) -> Result<Arn, Error> {
    // AWS: text of ValidationError.
    Arn::parse(text)
        .ok()
        .filter(|arn| {
            arn.service() == "iam" && arn.resource().starts_with("role/") && arn.account_id().is_some()
        })
        .ok_or_else(|| Error::Validation(format!("{text} is invalid")))
}

fn denied(text: &str) -> Error {
    Fault::coded("AccessDenied", 403, text).into()
}
