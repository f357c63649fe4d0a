//! `UpdateFunctionCode`: another package for the same function.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use crate::{
    Lambda,
    api::{Error, UpdateFunctionCode, UpdateFunctionCodeInput, UpdateFunctionCodeOutput},
    ask, configuration,
    function::Function,
    layer, refusal,
    signing::{self, Config},
    version,
};

impl Operation<UpdateFunctionCode> for Lambda {
    fn access(&self, input: &UpdateFunctionCodeInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:UpdateFunctionCode", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<UpdateFunctionCode>) -> Result<UpdateFunctionCodeOutput, Error> {
        let (input, now) = (&call.input, call.now());
        let at = self.at(&input.function_name, None, call.caller());
        refuse(input)?;
        let function = self.latest(&at)?;
        check_revision(input.revision_id.as_deref(), &function)?;
        let architecture = match input.architectures.as_deref() {
            None => function.architecture.clone(),
            asked => configuration::architecture(asked, &function.settings.runtime)?,
        };
        let archive = input.zip_file.clone().ok_or_else(|| {
            // AWS: text as the service words it.
            Error::invalid_parameter_value_exception("Please provide a source for function code.")
        })?;
        let received = self.packages.receive(archive).await?;
        let config = self.env.store.read(|tx| Config::of_function(tx, &at))?;
        self.check_signatures(config.as_ref(), &at.arn(), Some(received.archive()), &[]).await?;
        let (code, code_bytes) = (received.id, received.bytes);
        let unpacked_bytes = received.unpacked_bytes;
        layer::check_size(unpacked_bytes, &function.settings.layers)?;
        if input.dry_run == Some(true) {
            return Ok(Function { code, code_bytes, unpacked_bytes, architecture, ..function }.shown());
        }
        let revision_id = uuid(&*self.env.entropy, "lambda.revision");
        let version_revision = uuid(&*self.env.entropy, "lambda.revision");
        let (expected, publish) = (input.revision_id.clone(), input.publish == Some(true));
        let latest = at.arn();
        let changed = self
            .packages
            .adopt(received, move |tx| {
                let before = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                check_revision(expected.as_deref(), &before)?;
                signing::check_same(tx, &at, config.as_ref())?;
                layer::check_size(unpacked_bytes, &before.settings.layers)?;
                let old = before.code;
                let after = Function {
                    code,
                    code_bytes,
                    unpacked_bytes,
                    architecture: architecture.clone(),
                    modified_at: now,
                    revision_id: revision_id.clone(),
                    ..before
                };
                tx.put(&at.key(), &after)?;
                if publish {
                    return Ok((Some(old), version::publish(tx, &at, &after, None, &version_revision)?));
                }
                Ok((Some(old), after))
            })
            .await?;
        self.invoker.retire(&latest);
        Ok(changed.shown())
    }
}

pub(super) fn check_revision(expected: Option<&str>, function: &Function) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != function.revision_id => Err(refusal::stale_revision()),
        _ => Ok(()),
    }
}

fn refuse(input: &UpdateFunctionCodeInput) -> Result<(), Error> {
    if input.s3_bucket.is_some() || input.s3_key.is_some() {
        return Err(refusal::not_here("code from S3 (give ZipFile)"));
    }
    if input.image_uri.is_some() {
        return Err(refusal::not_here("package type Image"));
    }
    if input.publish_to.is_some() {
        return Err(refusal::not_here("publishing to a capacity provider"));
    }
    if input.source_kms_key_arn.is_some() {
        return Err(refusal::not_here("a customer managed key"));
    }
    Ok(())
}
