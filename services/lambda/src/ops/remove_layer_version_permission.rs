//! `RemoveLayerVersionPermission`.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use super::{
    add_layer_version_permission::{check_revision, no_version},
    get_layer_version::number,
};
use crate::{
    Lambda,
    api::{
        Error, RemoveLayerVersionPermission, RemoveLayerVersionPermissionInput,
        RemoveLayerVersionPermissionOutput,
    },
    ask,
    layer::{LayerPermissions, LayerVersion},
    permission,
    resource::LayerRef,
};

impl Operation<RemoveLayerVersionPermission> for Lambda {
    fn access(&self, input: &RemoveLayerVersionPermissionInput, caller: &Caller) -> Result<Access, Error> {
        let at = LayerRef::parse(&input.layer_name, &self.env, caller);
        let arn = at.version_arn(input.version_number);
        Ok(Access::Iam(vec![ask::on("lambda:RemoveLayerVersionPermission", arn, caller)]))
    }

    async fn run(
        &self,
        call: Call<RemoveLayerVersionPermission>,
    ) -> Result<RemoveLayerVersionPermissionOutput, Error> {
        let at = LayerRef::parse(&call.input.layer_name, &self.env, call.caller());
        at.check(&self.env)?;
        let number = number(call.input.version_number)?;
        let revision_id = uuid(&*self.env.entropy, "lambda.policy-revision");
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let key = at.version_key(number);
                if !tx.exists::<LayerVersion>(&key)? {
                    return Err(no_version(&at, number));
                }
                let found = tx.get::<LayerPermissions>(&key)?;
                check_revision(input.revision_id.as_deref(), found.as_ref())?;
                let LayerPermissions(mut permissions) =
                    found.ok_or_else(|| permission::no_statement(&input.statement_id))?;
                permissions.remove(&input.statement_id)?;
                permissions.revision_id.clone_from(&revision_id);
                if permissions.statements.is_empty() {
                    tx.delete::<LayerPermissions>(&key)?;
                } else {
                    tx.put(&key, &LayerPermissions(permissions))?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(RemoveLayerVersionPermissionOutput {})
    }
}
