//! `GetLayerVersion`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, GetLayerVersion, GetLayerVersionInput, GetLayerVersionOutput},
    ask, download,
    layer::LayerVersion,
    refusal,
    resource::LayerRef,
};

impl Operation<GetLayerVersion> for Lambda {
    fn access(&self, input: &GetLayerVersionInput, caller: &Caller) -> Result<Access, Error> {
        let at = LayerRef::parse(&input.layer_name, &self.env, caller);
        let arn = at.version_arn(input.version_number);
        Ok(Access::Iam(vec![ask::on("lambda:GetLayerVersion", arn, caller)]))
    }

    async fn run(&self, call: Call<GetLayerVersion>) -> Result<GetLayerVersionOutput, Error> {
        let at = LayerRef::parse(&call.input.layer_name, &self.env, call.caller());
        at.check(&self.env)?;
        let found = self.layer_version(&at, number(call.input.version_number)?)?;
        let version = found.ok_or_else(refusal::no_resource)?;
        Ok(version.shown(download::of_layer(&self.env, call.permit(), &version)?))
    }
}

/// A layer version's number.
pub(super) fn number(asked: i64) -> Result<u64, Error> {
    let number = u64::try_from(asked).ok().filter(|number| *number > 0);
    // AWS: text as the service words it.
    number.ok_or_else(|| Error::invalid_parameter_value_exception("Layer Version Cannot be less than 1."))
}

impl Lambda {
    pub(super) fn layer_version(&self, at: &LayerRef, number: u64) -> Result<Option<LayerVersion>, Error> {
        Ok(self.env.store.read(|tx| tx.get::<LayerVersion>(&at.version_key(number)))?)
    }
}
