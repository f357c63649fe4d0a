//! `PublishLayerVersion`: a package for functions to share, under the next number of its name.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, PublishLayerVersion, PublishLayerVersionInput, PublishLayerVersionOutput},
    ask, configuration, download,
    layer::{LayerNumbering, LayerVersion},
    refusal,
    resource::LayerRef,
};

impl Operation<PublishLayerVersion> for Lambda {
    fn access(&self, input: &PublishLayerVersionInput, caller: &Caller) -> Result<Access, Error> {
        let at = LayerRef::parse(&input.layer_name, &self.env, caller);
        Ok(Access::Iam(vec![ask::on("lambda:PublishLayerVersion", at.arn(), caller)]))
    }

    async fn run(&self, call: Call<PublishLayerVersion>) -> Result<PublishLayerVersionOutput, Error> {
        let (input, now) = (&call.input, call.now());
        let at = LayerRef::parse(&input.layer_name, &self.env, call.caller());
        at.check(&self.env)?;
        if input.content.s3_bucket.is_some() || input.content.s3_key.is_some() {
            return Err(refusal::not_here("code from S3 (give ZipFile)"));
        }
        let archive = input.content.zip_file.clone().ok_or_else(|| {
            Error::invalid_parameter_value_exception("Please provide a source for layer content.")
        })?;
        for runtime in input.compatible_runtimes.iter().flatten() {
            configuration::check_runtime(runtime, "compatibleRuntimes", self.invoker.driver())?;
        }
        let received = self.packages.receive(archive).await?;
        let version = LayerVersion {
            arn: at.arn(),
            layer: at.arn(),
            name: at.name.clone(),
            number: 0,
            description: input.description.clone().unwrap_or_default(),
            license: input.license_info.clone(),
            runtimes: input.compatible_runtimes.clone(),
            architectures: names(input.compatible_architectures.as_deref(), |one| one.as_str()),
            created_at: now,
            code: received.id,
            code_bytes: received.bytes,
            unpacked_bytes: received.unpacked_bytes,
        };
        let version = self
            .packages
            .adopt(received, move |tx| {
                let LayerNumbering(last) = tx.get::<LayerNumbering>(&at.key())?.unwrap_or_default();
                let number = last.saturating_add(1);
                let version = LayerVersion { arn: at.version_arn(number), number, ..version.clone() };
                tx.put(&at.version_key(number), &version)?;
                tx.put(&at.key(), &LayerNumbering(number))?;
                Ok((None, version))
            })
            .await?;
        let shown = version.shown(download::of_layer(&self.env, call.permit(), &version)?);
        Ok(PublishLayerVersionOutput {
            content: shown.content,
            layer_arn: shown.layer_arn,
            layer_version_arn: shown.layer_version_arn,
            description: shown.description,
            created_date: shown.created_date,
            version: shown.version,
            compatible_architectures: shown.compatible_architectures,
            compatible_runtimes: shown.compatible_runtimes,
            license_info: shown.license_info,
        })
    }
}

fn names<T>(all: Option<&[T]>, name: impl Fn(&T) -> &str) -> Option<Vec<String>> {
    Some(all?.iter().map(|one| name(one).to_owned()).collect())
}
