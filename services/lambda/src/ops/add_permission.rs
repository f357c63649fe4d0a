//! `AddPermission`: one statement more in a function's resource policy.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use crate::{
    Lambda,
    api::{AddPermission, AddPermissionInput, AddPermissionOutput, Error, FunctionUrlAuthType},
    ask,
    permission::{self, Permissions},
    refusal,
    resource::{FunctionRef, LATEST},
    version,
};

impl Operation<AddPermission> for Lambda {
    fn access(&self, input: &AddPermissionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        let ask = ask::on("lambda:AddPermission", at.requested_arn(), caller)
            .with("lambda:Principal", input.principal.clone());
        Ok(Access::Iam(vec![match input.function_url_auth_type {
            Some(auth) => ask.with("lambda:FunctionUrlAuthType", auth.as_str()),
            None => ask,
        }]))
    }

    async fn run(&self, call: Call<AddPermission>) -> Result<AddPermissionOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        check(&call.input, &at)?;
        at.check(&self.env)?;
        let statement = permission::statement(&at.requested_arn(), &call.input)?;
        let revision_id = uuid(&*self.env.entropy, "lambda.policy-revision");
        let function = at.requested_arn();
        let (input, permit) = call.into_parts();
        let is_anybodys = permission::is_for_any_account(&input);
        let text = statement.clone();
        let unique_id = permission::principal_id(&self.env, &input.principal)?;
        self.env
            .store
            .write(move |tx| {
                if version::resolve(tx, &at, None)?.is_none() {
                    return Err(refusal::no_function(&at));
                }
                let found = tx.get::<Permissions>(&at.qualified_key())?;
                check_revision(input.revision_id.as_deref(), found.as_ref())?;
                let mut permissions = found.unwrap_or_default();
                permissions.add(&input.statement_id, text.clone())?;
                if let Some(id) = &unique_id {
                    permissions.principal_ids.insert(input.statement_id.clone(), id.clone());
                }
                permissions.revision_id.clone_from(&revision_id);
                tx.put(&at.qualified_key(), &permissions)?;
                Ok(())
            })
            .await?;
        if is_anybodys {
            permission::note_any_account(&self.env, &function, permit.request_id().as_str());
        }
        Ok(AddPermissionOutput { statement: Some(statement) })
    }
}

/// What a caller believes to be the latest revision must be it.
pub(super) fn check_revision(expected: Option<&str>, found: Option<&Permissions>) -> Result<(), Error> {
    match expected {
        Some(expected) if found.is_none_or(|found| found.revision_id != expected) => {
            // AWS: text as the service words it.
            Err(Error::precondition_failed_exception(
                "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the \
                 latest Revision Id",
            ))
        }
        _ => Ok(()),
    }
}

fn check(input: &AddPermissionInput, at: &FunctionRef) -> Result<(), Error> {
    if at.qualifier.as_deref() == Some(LATEST) {
        // AWS: text as the service words it.
        return Err(Error::invalid_parameter_value_exception(
            "We currently do not support adding policies for $LATEST.",
        ));
    }
    if input.function_url_auth_type == Some(FunctionUrlAuthType::None) && input.action == "*" {
        return Err(Error::invalid_parameter_value_exception(
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
        ));
    }
    Ok(())
}
