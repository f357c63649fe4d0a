//! `AddLayerVersionPermission`: lets another account, an organisation or everyone use a layer version.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use super::get_layer_version::number;
use crate::{
    Lambda,
    api::{
        AddLayerVersionPermission, AddLayerVersionPermissionInput, AddLayerVersionPermissionOutput, Error,
    },
    ask,
    layer::{LayerPermissions, LayerVersion},
    permission,
    resource::LayerRef,
};

impl Operation<AddLayerVersionPermission> for Lambda {
    fn access(&self, input: &AddLayerVersionPermissionInput, caller: &Caller) -> Result<Access, Error> {
        let at = LayerRef::parse(&input.layer_name, &self.env, caller);
        let arn = at.version_arn(input.version_number);
        Ok(Access::Iam(vec![ask::on("lambda:AddLayerVersionPermission", arn, caller)]))
    }

    async fn run(
        &self,
        call: Call<AddLayerVersionPermission>,
    ) -> Result<AddLayerVersionPermissionOutput, Error> {
        let at = LayerRef::parse(&call.input.layer_name, &self.env, call.caller());
        at.check(&self.env)?;
        let number = number(call.input.version_number)?;
        let statement = permission::layer_statement(&at.version_arn(number), &call.input)?;
        let revision_id = uuid(&*self.env.entropy, "lambda.policy-revision");
        let (input, _) = call.into_parts();
        let (text, revision) = (statement.clone(), revision_id.clone());
        self.env
            .store
            .write(move |tx| {
                let key = at.version_key(number);
                if !tx.exists::<LayerVersion>(&key)? {
                    return Err(no_version(&at, number));
                }
                let found = tx.get::<LayerPermissions>(&key)?;
                check_revision(input.revision_id.as_deref(), found.as_ref())?;
                let LayerPermissions(mut permissions) = found.unwrap_or_default();
                permissions.add(&input.statement_id, text.clone())?;
                permissions.revision_id.clone_from(&revision);
                tx.put(&key, &LayerPermissions(permissions))?;
                Ok(())
            })
            .await?;
        Ok(AddLayerVersionPermissionOutput { statement: Some(statement), revision_id: Some(revision_id) })
    }
}

/// There is no such layer version.
pub(super) fn no_version(at: &LayerRef, number: u64) -> Error {
    // AWS: text as the service words it.
    Error::resource_not_found_exception(format!("Layer version {} does not exist.", at.version_arn(number)))
}

/// What a caller believes to be the latest revision must be it.
pub(super) fn check_revision(expected: Option<&str>, found: Option<&LayerPermissions>) -> Result<(), Error> {
    let same = |expected: &str| found.is_some_and(|LayerPermissions(found)| found.revision_id == expected);
    if expected.is_some_and(|expected| !same(expected)) {
        // AWS: text as the service words it.
        return Err(Error::precondition_failed_exception(
            "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve \
             the latest Revision Id",
        ));
    }
    Ok(())
}
