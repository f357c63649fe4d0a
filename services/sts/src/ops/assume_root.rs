//! `AssumeRoot`: temporary credentials of a member account's root, for one task.
//!
//! That the target is a member of the organisation which the caller's account manages, and that the organisation has switched
//! on what the task belongs to, is said by the built-in policy of the target's root, which the gate weighs beside the caller's.

use casemate_kernel::{Access, Ask, Call, Caller, Fault, Operation, RootRequest};
use casemate_names::{AccountId, Arn};

use crate::{
    Sts,
    api::{AssumeRoot, AssumeRootInput, AssumeRootOutput, Error},
    resource::{account_of_root, root_arn},
    roles::shown,
    session,
};

/// What the policies of root tasks begin with: no other policy bounds such a session.
// AWS: STS API reference, AssumeRoot, `TaskPolicyArn`.
const TASKS: &str = "arn:aws:iam::aws:policy/root-task/";

/// How long the credentials live unless asked for less, seconds; it is also the most, which the model says.
// AWS: the same, `DurationSeconds`.
const DURATION_S_DEFAULT: i32 = 900;

impl Operation<AssumeRoot> for Sts {
    fn access(&self, input: &AssumeRootInput, _caller: &Caller) -> Result<Access, Error> {
        let account = target(&input.target_principal)?;
        let ask = Ask::on("sts:AssumeRoot", root_arn(&account)).with("sts:TaskPolicyArn", task(input)?);
        Ok(Access::Iam(vec![ask]))
    }

    // DIVERGES: AWS refuses the call on its global endpoint. Here there is one endpoint, which is that of the site's region.
    async fn run(&self, call: Call<AssumeRoot>) -> Result<AssumeRootOutput, Error> {
        if matches!(call.caller().actor(), Caller::Root { .. }) {
            // AWS: STS API reference, AssumeRoot: "You cannot use root user credentials to make this call". The text is ours.
            let text = "AssumeRoot may not be called by root accounts.";
            return Err(Fault::coded("AccessDenied", 403, text).into());
        }
        let input = &call.input;
        let account = target(&input.target_principal)?;
        let (sessions, task) = (self.env.sessions()?, task(input)?);
        // The gate has admitted the task: it is one that there is.
        let document = sessions.managed_policy(&task)?.ok_or_else(|| not_a_task(&task))?;
        let source_identity = session::carried_identity(call.caller());
        let binding = session::binding(call.caller());
        let request = RootRequest {
            account,
            task: (task, document),
            duration_s: input.duration_seconds.unwrap_or(DURATION_S_DEFAULT).into(),
            source_identity: source_identity.clone(),
            bound_to: binding.environment,
            source_function: binding.function,
        };
        let made = sessions.mint_root(call.permit(), request).await?;
        let (id, secret) = (made.access_key_id, made.secret_access_key);
        Ok(AssumeRootOutput {
            credentials: Some(shown(id, secret, &made.session_token, made.expires_at)),
            source_identity,
            ..AssumeRootOutput::default()
        })
    }
}

/// The ARN of the task's policy. Whether there is such a task is the gate's to say.
fn task(input: &AssumeRootInput) -> Result<String, Error> {
    let arn = input.task_policy_arn.arn.clone().unwrap_or_default();
    if arn.starts_with(TASKS) { Ok(arn) } else { Err(not_a_task(&arn)) }
}

fn not_a_task(arn: &str) -> Error {
    // The text is ours: AWS publishes none.
    Error::Validation(format!("The specified policy {arn} is not of a root task."))
}

/// The account that is meant.
// AWS: STS API reference, AssumeRoot, `TargetPrincipal`: "The member account principal ARN or account ID".
fn target(text: &str) -> Result<AccountId, Error> {
    let named = AccountId::parse(text).ok().or_else(|| account_of_root(&Arn::parse(text).ok()?));
    named.ok_or_else(|| Error::Validation(format!("{text} is invalid")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_account_or_its_root_and_nothing_else() {
        for text in ["123456789012", "arn:aws:iam::123456789012:root"] {
            assert_eq!(target(text).unwrap().as_str(), "123456789012", "{text}");
        }
        for text in [
            "",
            "12345678901",
            "1234567890123",
            "root",
            "*",
            "arn:aws:iam:::root",
            "arn:aws:iam::*:root",
            "arn:aws:iam::123456789012:root/x",
            "arn:aws:iam::123456789012:user/root",
            "arn:aws:iam:us-east-1:123456789012:root",
            "arn:aws:sts::123456789012:root",
        ] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
