//! `AssumeRole`: temporary credentials for a role.

use casemate_kernel::{Access, Ask, BoxFuture, Call, Caller, Evidence, Fault, Operation, SessionRequest};
use casemate_names::Timestamp;

use crate::{
    Sts,
    api::{AssumeRole, AssumeRoleInput, AssumeRoleOutput, AssumedRoleUser, Error},
    mfa::mfa_evidence,
    policies,
    roles::{role_arn, shown},
    session,
};

impl Operation<AssumeRole> for Sts {
    fn access(&self, input: &AssumeRoleInput, caller: &Caller) -> Result<Access, Error> {
        let (role, _) = role_arn(&input.role_arn)?;
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
            let known = optional.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
            let ask = known.fold(ask, |ask, (key, value)| ask.with(key, value.clone()));
            if transitive.is_empty() { ask } else { ask.with("sts:TransitiveTagKeys", transitive.clone()) }
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

    fn evidence<'a>(
        &'a self,
        input: &'a AssumeRoleInput,
        _caller: &'a Caller,
        _now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Error>>> {
        mfa_evidence(input.serial_number.as_deref(), input.token_code.as_deref())
    }

    async fn run(&self, call: Call<AssumeRole>) -> Result<AssumeRoleOutput, Error> {
        let input = &call.input;
        if matches!(call.caller().actor(), Caller::Root { .. }) {
            // AWS: text of AccessDenied.
            return Err(denied("Roles may not be assumed by root accounts."));
        }
        if input.provided_contexts.as_ref().is_some_and(|contexts| !contexts.is_empty()) {
            return Err(Error::Validation("ProvidedContexts are not supported.".to_owned()));
        }
        let (arn, account) = role_arn(&input.role_arn)?;
        let sessions = self.env.sessions()?;
        let role = sessions.admitted_role(call.permit(), &arn)?;
        let duration_s = session::duration_s(input.duration_seconds, role.session_s_max, call.caller())?;
        let tags = session::tags(input, call.caller())?;
        let source_identity = session::source_identity(input, call.caller())?;
        let limits = (input.policy.as_deref(), input.policy_arns.as_deref());
        let policies = policies::read(&sessions, &account, limits.0, limits.1)?;
        let binding = session::binding(call.caller());
        let request = SessionRequest {
            role,
            session_name: input.role_session_name.clone(),
            duration_s,
            policies: policies.documents,
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
            credentials: Some(shown(
                made.access_key_id,
                made.secret_access_key,
                &made.session_token,
                made.expires_at,
            )),
            packed_policy_size: policies.packed,
            source_identity,
            ..AssumeRoleOutput::default()
        })
    }
}

fn denied(text: &str) -> Error {
    Fault::coded("AccessDenied", 403, text).into()
}
