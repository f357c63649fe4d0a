//! `GetLayerVersionPolicy`.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::{add_layer_version_permission::no_version, get_layer_version::number};
use crate::{
    Lambda,
    api::{Error, GetLayerVersionPolicy, GetLayerVersionPolicyInput, GetLayerVersionPolicyOutput},
    ask,
    layer::LayerPermissions,
    resource::LayerRef,
};

impl Operation<GetLayerVersionPolicy> for Lambda {
    fn access(&self, input: &GetLayerVersionPolicyInput, caller: &Caller) -> Result<Access, Error> {
        let at = LayerRef::parse(&input.layer_name, &self.env, caller);
        let arn = at.version_arn(input.version_number);
        Ok(Access::Iam(vec![ask::on("lambda:GetLayerVersionPolicy", arn, caller)]))
    }

    async fn run(&self, call: Call<GetLayerVersionPolicy>) -> Result<GetLayerVersionPolicyOutput, Error> {
        let at = LayerRef::parse(&call.input.layer_name, &self.env, call.caller());
        at.check(&self.env)?;
        let number = number(call.input.version_number)?;
        self.layer_version(&at, number)?.ok_or_else(|| no_version(&at, number))?;
        let found = self.env.store.read(|tx| tx.get::<LayerPermissions>(&at.version_key(number)))?;
        // AWS: text as the service words it.
        let LayerPermissions(found) = found.ok_or_else(|| {
            Error::resource_not_found_exception("No policy is associated with the given resource.")
        })?;
        Ok(GetLayerVersionPolicyOutput {
            policy: Some(found.document()),
            revision_id: Some(found.revision_id),
        })
    }
}
