//! `GetLayerVersionByArn`.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::Arn;

use crate::{
    Lambda,
    api::{Error, GetLayerVersionByArn, GetLayerVersionByArnInput, GetLayerVersionByArnOutput},
    ask, download, refusal,
    resource::LayerRef,
};

impl Operation<GetLayerVersionByArn> for Lambda {
    // AWS: the action is `lambda:GetLayerVersion`.
    fn access(&self, input: &GetLayerVersionByArnInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![match Arn::parse(&input.arn) {
            Ok(arn) => ask::on("lambda:GetLayerVersion", arn, caller),
            Err(_) => Ask::on_any("lambda:GetLayerVersion"),
        }]))
    }

    async fn run(&self, call: Call<GetLayerVersionByArn>) -> Result<GetLayerVersionByArnOutput, Error> {
        let (at, number) = LayerRef::of_version_text(&call.input.arn).ok_or_else(refusal::no_resource)?;
        at.check(&self.env)?;
        let version = self.layer_version(&at, number)?.ok_or_else(refusal::no_resource)?;
        Ok(version.shown(download::of_layer(&self.env, call.permit(), &version)?))
    }
}
