//! `UpdateFunctionCode`: another package for the same function.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use crate::{
    Lambda,
    api::{Error, UpdateFunctionCode, UpdateFunctionCodeInput, UpdateFunctionCodeOutput},
    ask,
    code::Code,
    configuration,
    function::Function,
    image::{self, ImageUse},
    layer, refusal,
    resource::FunctionRef,
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
        image::check_code(function.image.as_ref(), input.image_uri.as_deref(), input.zip_file.is_some())?;
        let architecture = match input.architectures.as_deref() {
            None => function.architecture.clone(),
            asked => configuration::architecture(asked, &function.settings.runtime)?,
        };
        let received = self.code_of(&function, input, &at).await?;
        let config = self.env.store.read(|tx| Config::of_function(tx, &at))?;
        if config.is_some() && received.image().is_some() {
            return Err(signing::not_of_images());
        }
        self.check_signatures(config.as_ref(), &at.arn(), received.archive(), &[]).await?;
        let (code, (code_bytes, unpacked_bytes)) = (received.id(), received.bytes());
        let image = received.image().cloned();
        layer::check_size(unpacked_bytes, &function.settings.layers)?;
        if input.dry_run == Some(true) {
            return Ok(Function { code, code_bytes, unpacked_bytes, architecture, image, ..function }.shown());
        }
        let revision_id = uuid(&*self.env.entropy, "lambda.revision");
        let version_revision = uuid(&*self.env.entropy, "lambda.revision");
        let (uri, is_package) = (input.image_uri.clone(), input.zip_file.is_some());
        let (expected, publish) = (input.revision_id.clone(), input.publish == Some(true));
        let latest = at.arn();
        let changed = self
            .adopt_code(received, move |tx| {
                let before = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                check_revision(expected.as_deref(), &before)?;
                // It may be another function by now, of the same name.
                image::check_code(before.image.as_ref(), uri.as_deref(), is_package)?;
                signing::check_same(tx, &at, config.as_ref())?;
                layer::check_size(unpacked_bytes, &before.settings.layers)?;
                // What is said beside an image stays, also what was said meanwhile.
                let image = image.clone().map(|image| ImageUse {
                    instead: before.image.clone().map(|before| before.instead).unwrap_or_default(),
                    ..image
                });
                let old = before.image.is_none().then_some(before.code);
                let after = Function {
                    code,
                    code_bytes,
                    unpacked_bytes,
                    architecture: architecture.clone(),
                    image,
                    modified_at: now,
                    revision_id: revision_id.clone(),
                    ..before
                };
                tx.put(&at.key(), &after)?;
                if publish {
                    return Ok((old, version::publish(tx, &at, &after, None, &version_revision)?));
                }
                Ok((old, after))
            })
            .await?;
        self.invoker.retire(&latest);
        self.invoker.make_snapshot(&changed);
        Ok(changed.shown())
    }
}

impl Lambda {
    async fn code_of(
        &self,
        function: &Function,
        input: &UpdateFunctionCodeInput,
        at: &FunctionRef,
    ) -> Result<Code, Error> {
        match &function.image {
            Some(before) => {
                let image = self.image(at, input.image_uri.as_deref()).await?;
                Ok(Code::Image(ImageUse { instead: before.instead.clone(), ..image }))
            }
            None => self.package(input.zip_file.clone()).await,
        }
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
    if input.publish_to.is_some() {
        return Err(refusal::not_here("publishing to a capacity provider"));
    }
    if input.source_kms_key_arn.is_some() {
        return Err(refusal::not_here("a customer managed key"));
    }
    Ok(())
}
