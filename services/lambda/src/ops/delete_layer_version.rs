//! `DeleteLayerVersion`: no function gets it any more; those that have it keep it.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::get_layer_version::number;
use crate::{
    Lambda,
    api::{DeleteLayerVersion, DeleteLayerVersionInput, DeleteLayerVersionOutput, Error},
    ask,
    layer::{LayerPermissions, LayerVersion},
    resource::LayerRef,
};

impl Operation<DeleteLayerVersion> for Lambda {
    fn access(&self, input: &DeleteLayerVersionInput, caller: &Caller) -> Result<Access, Error> {
        let at = LayerRef::parse(&input.layer_name, &self.env, caller);
        let arn = at.version_arn(input.version_number);
        Ok(Access::Iam(vec![ask::on("lambda:DeleteLayerVersion", arn, caller)]))
    }

    async fn run(&self, call: Call<DeleteLayerVersion>) -> Result<DeleteLayerVersionOutput, Error> {
        let at = LayerRef::parse(&call.input.layer_name, &self.env, call.caller());
        at.check(&self.env)?;
        let key = at.version_key(number(call.input.version_number)?);
        self.packages
            .abandon(move |tx| {
                // AWS: deleting one that is not there succeeds.
                let found = tx.get::<LayerVersion>(&key)?;
                tx.delete::<LayerVersion>(&key)?;
                tx.delete::<LayerPermissions>(&key)?;
                Ok((found.into_iter().map(|version| version.code).collect(), ()))
            })
            .await?;
        Ok(DeleteLayerVersionOutput {})
    }
}
