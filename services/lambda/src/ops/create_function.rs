//! `CreateFunction`: checks configuration, role and package, and keeps them.

use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::{Timestamp, uuid};

use crate::{
    Lambda,
    api::{CreateFunction, CreateFunctionInput, CreateFunctionOutput, Error},
    ask,
    code::Code,
    configuration, destination,
    function::{Function, Settings},
    image::{self, Instead},
    layer, packages,
    resource::FunctionRef,
    role,
    signing::{self, Config, Use},
    snapshot::State,
    tags, variables_key,
    version::{self, Version},
};

impl Operation<CreateFunction> for Lambda {
    fn access(&self, input: &CreateFunctionInput, caller: &Caller) -> Result<Access, Error> {
        let arn = self.at(&input.function_name, None, caller).arn();
        let tags = input.tags.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let create = ask::on("lambda:CreateFunction", arn.clone(), caller).with_request_tags(tags);
        let mut create = layer::condition(create, input.layers.as_deref());
        if let Some(config) = &input.code_signing_config_arn {
            create = create.with("lambda:CodeSigningConfigArn", config.clone());
        }
        let mut asks = vec![create, role::pass(&self.env, &input.role, &arn)];
        asks.extend(layer::asks(input.layers.as_deref(), caller));
        Ok(Access::Iam(asks))
    }

    async fn run(&self, call: Call<CreateFunction>) -> Result<CreateFunctionOutput, Error> {
        let (input, now) = (&call.input, call.now());
        let at = self.at(&input.function_name, None, call.caller());
        at.check(&self.env)?;
        configuration::check_name(&at.name)?;
        let tags = input.tags.clone().unwrap_or_default();
        tags::check_given(&tags)?;
        tags::check(&tags)?;
        let mut settings = configuration::of_new(input, self.invoker.driver())?;
        self.invoker.machines().check(&settings, self.invoker.driver())?;
        let architecture = configuration::architecture(input.architectures.as_deref(), &settings.runtime)?;
        role::assumable(&self.env, &settings.role, &at.arn(), now)?;
        destination::check_dead_letters(&self.env, &settings, &at.name, now)?;
        let key = at.key();
        if self.env.store.read(|tx| tx.exists::<Function>(&key))? {
            return Err(exists(&at.name));
        }
        if let Some(key) = input.kms_key_arn.as_deref().filter(|key| !key.is_empty()) {
            settings.seal(call.permit(), &at.arn(), key).await?;
        }
        let sealed = settings.sealed.clone();
        let made = self.make(input, &at, settings, architecture, now).await;
        if made.is_err() {
            variables_key::end_unused(&self.env, call.permit(), &at, sealed).await?;
        }
        let made = made?;
        self.invoker.make_snapshot(&made);
        // AWS: the number of a version that was published at once, but the ARN without it.
        Ok(variables_key::reveal(call.permit(), &made, made.shown_as(&made.unqualified())).await)
    }
}

impl Lambda {
    /// Makes the function of settings that were found to be right.
    async fn make(
        &self,
        input: &CreateFunctionInput,
        at: &FunctionRef,
        settings: Settings,
        architecture: String,
        now: Timestamp,
    ) -> Result<Function, Error> {
        let (key, at) = (at.key(), at.clone());
        let code = self.code_of_new(input, &at).await?;
        let signing = self.signing_of_new(input, &at, code.archive()).await?;
        let function = Function {
            arn: at.arn(),
            name: at.name.clone(),
            version: Version::Latest,
            settings,
            code: code.id(),
            code_bytes: code.bytes().0,
            unpacked_bytes: code.bytes().1,
            image: code.image().cloned(),
            architecture,
            modified_at: now,
            revision_id: uuid(&*self.env.entropy, "lambda.revision"),
            tags: input.tags.clone().unwrap_or_default(),
            reserved: None,
            loops_allowed: false,
            creation_id: uuid(&*self.env.entropy, "lambda.creation"),
            state: State::Active,
        };
        let publish = input.publish == Some(true);
        let version_revision = uuid(&*self.env.entropy, "lambda.revision");
        let (env, layers) = (self.env.clone(), input.layers.clone().unwrap_or_default());
        self.adopt_code(code, move |tx| {
            if tx.exists::<Function>(&key)? {
                return Err(exists(&function.name));
            }
            let mut function = function.clone();
            function.settings.layers = layer::uses(tx, &layers, &env)?;
            layer::check_size(function.unpacked_bytes, &function.settings.layers)?;
            for layer in &function.settings.layers {
                packages::refer(tx, layer.code)?;
            }
            tx.put(&key, &function)?;
            if let Some(config) = &signing {
                signing::check_unchanged(tx, config)?;
                tx.put(&key, &Use(config.arn.clone()))?;
            }
            if publish {
                let version = version::publish(tx, &at, &function, None, &version_revision)?;
                return Ok((None, version));
            }
            Ok((None, function))
        })
        .await
    }

    async fn code_of_new(&self, input: &CreateFunctionInput, at: &FunctionRef) -> Result<Code, Error> {
        if image::is_asked(input) {
            let mut image = self.image(at, input.code.image_uri.as_deref()).await?;
            if let Some(config) = &input.image_config {
                image.instead = Instead::of(config)?;
            }
            return Ok(Code::Image(image));
        }
        self.package(input.code.zip_file.clone()).await
    }

    /// The code signing configuration a new function is to have, which its packages have passed.
    async fn signing_of_new(
        &self,
        input: &CreateFunctionInput,
        at: &FunctionRef,
        archive: Option<Bytes>,
    ) -> Result<Option<Config>, Error> {
        let Some(arn) = &input.code_signing_config_arn else { return Ok(None) };
        let archive = archive.ok_or_else(signing::not_of_images)?;
        let place = signing::place(arn, &self.env).filter(|place| place.scope == at.scope);
        let place = place.ok_or_else(|| signing::none_to_use(arn))?;
        let layers = input.layers.as_deref().unwrap_or_default();
        let (config, layers) = self.env.store.read(|tx| {
            let config = tx.get::<Config>(&place.key())?.ok_or_else(|| signing::none_to_use(arn))?;
            Ok::<_, Error>((config, layer::uses(tx, layers, &self.env)?))
        })?;
        self.check_signatures(Some(&config), &at.arn(), Some(archive), &layers).await?;
        Ok(Some(config))
    }
}

fn exists(name: &str) -> Error {
    // AWS: text as the service words it.
    Error::resource_conflict_exception(format!("Function already exist: {name}"))
}
