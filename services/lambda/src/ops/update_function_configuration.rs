//! `UpdateFunctionConfiguration`. Running requests end under the old settings; the next one meets the new.

use casemate_kernel::{Access, Call, Caller, Env, Operation};
use casemate_names::{Timestamp, uuid};
use casemate_store::{BlobId, WriteTx};

use super::update_function_code::check_revision;
use crate::{
    Lambda,
    api::{
        Error, UpdateFunctionConfiguration, UpdateFunctionConfigurationInput,
        UpdateFunctionConfigurationOutput,
    },
    ask, configuration, destination,
    function::Function,
    image, layer, packages, refusal,
    resource::FunctionRef,
    role,
    signing::{self, Config},
    variables::Variables,
    variables_key::{self, Sealed},
};

impl Operation<UpdateFunctionConfiguration> for Lambda {
    fn access(&self, input: &UpdateFunctionConfigurationInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        let change = ask::on("lambda:UpdateFunctionConfiguration", at.requested_arn(), caller);
        let mut asks = vec![layer::condition(change, input.layers.as_deref())];
        asks.extend(input.role.as_ref().map(|role| role::pass(&self.env, role, &at.arn())));
        asks.extend(layer::asks(input.layers.as_deref(), caller));
        Ok(Access::Iam(asks))
    }

    async fn run(
        &self,
        call: Call<UpdateFunctionConfiguration>,
    ) -> Result<UpdateFunctionConfigurationOutput, Error> {
        let now = call.now();
        let at = self.at(&call.input.function_name, None, call.caller());
        let latest = self.latest(&at)?;
        let mut settings = latest.settings.clone();
        image::change(&mut latest.image.clone(), &call.input)?;
        configuration::change(&mut settings, &call.input, self.invoker.driver())?;
        self.invoker.machines().check(&settings, self.invoker.driver())?;
        if call.input.role.is_some() {
            role::assumable(&self.env, &settings.role, &at.arn(), now)?;
        }
        if call.input.role.is_some() || call.input.dead_letter_config.is_some() {
            destination::check_dead_letters(&self.env, &settings, &at.name, now)?;
        }
        let rekeyed = variables_key::changed(call.permit(), &latest, &call.input, settings).await?;
        // Whatever comes of it, one of the two grants is not needed.
        let sealed = rekeyed.iter().filter_map(|(_, fresh)| fresh.clone());
        let sealed: Vec<Sealed> =
            sealed.chain(latest.settings.sealed.clone().filter(|_| rekeyed.is_some())).collect();
        let (input, permit) = call.into_parts();
        let function = at.clone();
        let changed = self.put(at, input, latest, rekeyed, now).await;
        variables_key::end_unused(&self.env, &permit, &function, sealed).await?;
        let changed = changed?;
        self.invoker.retire(&changed.arn);
        Ok(variables_key::reveal(&permit, &changed, changed.shown()).await)
    }
}

impl Lambda {
    /// Changes the function that was read as `latest`. `rekeyed`: what has been sealed for it.
    async fn put(
        &self,
        at: FunctionRef,
        input: UpdateFunctionConfigurationInput,
        latest: Function,
        rekeyed: Option<(Option<Variables>, Option<Sealed>)>,
        now: Timestamp,
    ) -> Result<Function, Error> {
        let config = self.check_new_layers(&at, input.layers.as_deref()).await?;
        let revision_id = uuid(&*self.env.entropy, "lambda.revision");
        let (driver, machines) = (self.invoker.driver().cloned(), self.invoker.machines().clone());
        let env = self.env.clone();
        self.packages
            .abandon(move |tx| {
                let mut function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                check_revision(input.revision_id.as_deref(), &function)?;
                image::change(&mut function.image, &input)?;
                configuration::change(&mut function.settings, &input, driver.as_ref())?;
                machines.check(&function.settings, driver.as_ref())?;
                // What was sealed is what was read: not what somebody else has set since.
                if rekeyed.is_some() || function.settings.sealed != latest.settings.sealed {
                    check_revision(Some(&latest.revision_id), &function)?;
                }
                if let Some((variables, sealed)) = &rekeyed {
                    function.settings.variables.clone_from(variables);
                    function.settings.sealed.clone_from(sealed);
                }
                let before = match &input.layers {
                    Some(layers) => {
                        signing::check_same(tx, &at, config.as_ref())?;
                        exchange_layers(tx, &mut function, layers, &env)?
                    }
                    None => Vec::new(),
                };
                function.modified_at = now;
                function.revision_id.clone_from(&revision_id);
                tx.put(&at.key(), &function)?;
                Ok((before, function))
            })
            .await
    }

    /// The function's code signing configuration, which its new layers have passed.
    async fn check_new_layers(
        &self,
        at: &FunctionRef,
        layers: Option<&[String]>,
    ) -> Result<Option<Config>, Error> {
        let (config, layers) = self.env.store.read(|tx| {
            let layers = layer::uses(tx, layers.unwrap_or_default(), &self.env)?;
            Ok::<_, Error>((Config::of_function(tx, at)?, layers))
        })?;
        self.check_signatures(config.as_ref(), &at.arn(), None, &layers).await?;
        Ok(config)
    }
}

/// Gives a function these layers instead of those it has; answers the packages that lose a reference.
fn exchange_layers(
    tx: &mut WriteTx<'_>,
    function: &mut Function,
    layers: &[String],
    env: &Env,
) -> Result<Vec<BlobId>, Error> {
    let after = layer::uses(tx, layers, env)?;
    layer::check_size(function.unpacked_bytes, &after)?;
    for layer in &after {
        packages::refer(tx, layer.code)?;
    }
    let before = std::mem::replace(&mut function.settings.layers, after);
    Ok(before.into_iter().map(|layer| layer.code).collect())
}
