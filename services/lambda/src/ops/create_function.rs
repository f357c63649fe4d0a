//! `CreateFunction`: checks configuration, role and package, and keeps them.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use crate::{
    Lambda,
    api::{CreateFunction, CreateFunctionInput, CreateFunctionOutput, Error},
    ask,
    code::Code,
    configuration,
    function::Function,
    image::{self, Instead},
    layer, packages,
    resource::FunctionRef,
    role, tags,
    version::{self, Version},
};

impl Operation<CreateFunction> for Lambda {
    fn access(&self, input: &CreateFunctionInput, caller: &Caller) -> Result<Access, Error> {
        let arn = self.at(&input.function_name, None, caller).arn();
        let tags = input.tags.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let create = ask::on("lambda:CreateFunction", arn.clone(), caller).with_request_tags(tags);
        let create = layer::condition(create, input.layers.as_deref());
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
        let settings = configuration::of_new(input, self.invoker.driver())?;
        self.invoker.machines().check(&settings, self.invoker.driver())?;
        let architecture = configuration::architecture(input.architectures.as_deref(), &settings.runtime)?;
        role::assumable(&self.env, &settings.role, &at.arn(), now)?;
        let key = at.key();
        if self.env.store.read(|tx| tx.exists::<Function>(&key))? {
            return Err(exists(&at.name));
        }
        let code = self.code_of_new(input, &at).await?;
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
            tags,
            reserved: None,
            loops_allowed: false,
            creation_id: uuid(&*self.env.entropy, "lambda.creation"),
        };
        let publish = input.publish == Some(true);
        let version_revision = uuid(&*self.env.entropy, "lambda.revision");
        let (env, layers) = (self.env.clone(), input.layers.clone().unwrap_or_default());
        let made = self
            .adopt_code(code, move |tx| {
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
                if publish {
                    let version = version::publish(tx, &at, &function, None, &version_revision)?;
                    return Ok((None, version));
                }
                Ok((None, function))
            })
            .await?;
        // AWS: the number of a version that was published at once, but the ARN without it.
        Ok(made.shown_as(&made.unqualified()))
    }
}

impl Lambda {
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
}

fn exists(name: &str) -> Error {
    // AWS: text as the service words it.
    Error::resource_conflict_exception(format!("Function already exist: {name}"))
}
