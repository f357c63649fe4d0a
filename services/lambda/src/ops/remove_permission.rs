//! `RemovePermission`.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use super::add_permission::check_revision;
use crate::{
    Lambda,
    api::{Error, RemovePermission, RemovePermissionInput, RemovePermissionOutput},
    ask,
    permission::{self, Permissions},
    refusal, version,
};

impl Operation<RemovePermission> for Lambda {
    // DIVERGES: AWS gives lambda:Principal and lambda:FunctionUrlAuthType of the statement. Here they are unknown: what a
    // policy allows by them it does not allow, and what it denies by them it denies.
    fn access(&self, input: &RemovePermissionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        let ask = ask::on("lambda:RemovePermission", at.requested_arn(), caller);
        Ok(Access::Iam(vec![ask.with_unknown("lambda:Principal").with_unknown("lambda:FunctionUrlAuthType")]))
    }

    async fn run(&self, call: Call<RemovePermission>) -> Result<RemovePermissionOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        let revision_id = uuid(&*self.env.entropy, "lambda.policy-revision");
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                if version::resolve(tx, &at, None)?.is_none() {
                    return Err(refusal::no_function(&at));
                }
                let found = tx.get::<Permissions>(&at.qualified_key())?;
                check_revision(input.revision_id.as_deref(), found.as_ref())?;
                let mut permissions = found.ok_or_else(|| permission::no_statement(&input.statement_id))?;
                permissions.remove(&input.statement_id)?;
                permissions.revision_id.clone_from(&revision_id);
                if permissions.statements.is_empty() {
                    tx.delete::<Permissions>(&at.qualified_key())?;
                } else {
                    tx.put(&at.qualified_key(), &permissions)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(RemovePermissionOutput {})
    }
}
