//! `RemovePermission`.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use super::add_permission::check_revision;
use crate::{
    Lambda,
    api::{Error, RemovePermission, RemovePermissionInput, RemovePermissionOutput},
    ask,
    function::Function,
    permission::{self, Permissions},
    refusal,
};

impl Operation<RemovePermission> for Lambda {
    // AWS: the service also gives lambda:Principal of the statement; without it a policy conditioned on it refuses here.
    fn access(&self, input: &RemovePermissionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:RemovePermission", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<RemovePermission>) -> Result<RemovePermissionOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        let revision_id = uuid(&*self.env.entropy, "lambda.policy-revision");
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                if !tx.exists::<Function>(&at.key())? {
                    return Err(refusal::no_function(&at));
                }
                let found = tx.get::<Permissions>(&at.key())?;
                check_revision(input.revision_id.as_deref(), found.as_ref())?;
                let mut permissions = found.ok_or_else(|| permission::no_statement(&input.statement_id))?;
                permissions.remove(&input.statement_id)?;
                permissions.revision_id.clone_from(&revision_id);
                if permissions.statements.is_empty() {
                    tx.delete::<Permissions>(&at.key())?;
                } else {
                    tx.put(&at.key(), &permissions)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(RemovePermissionOutput {})
    }
}
