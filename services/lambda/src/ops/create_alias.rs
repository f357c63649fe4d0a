//! `CreateAlias`: a name for a version, or for two of them by weight.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;
use casemate_store::ReadTx;

use crate::{
    Lambda,
    alias::{Additional, Alias},
    api::{AliasRoutingConfiguration, CreateAlias, CreateAliasInput, CreateAliasOutput, Error},
    ask, refusal,
    resource::FunctionRef,
    version::{self, Version},
};

impl Operation<CreateAlias> for Lambda {
    fn access(&self, input: &CreateAliasInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:CreateAlias", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<CreateAlias>) -> Result<CreateAliasOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let revision_id = uuid(&*self.env.entropy, "lambda.alias-revision");
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let version = existing(tx, &at, &input.function_version)?;
                let place = at.qualified_by(&input.name);
                if tx.exists::<Alias>(&place.qualified_key())? {
                    // AWS: text as the service words it.
                    return Err(Error::resource_conflict_exception(format!(
                        "Alias already exists: {}",
                        place.requested_arn()
                    )));
                }
                let alias = Alias {
                    name: input.name.clone(),
                    version,
                    additional: additional(tx, &at, version, input.routing_config.as_ref())?,
                    description: input.description.clone().unwrap_or_default(),
                    revision_id: revision_id.clone(),
                };
                tx.put(&place.qualified_key(), &alias)?;
                Ok(alias.shown(&at))
            })
            .await
    }
}

/// The version of this name, which must exist.
pub(super) fn existing(tx: &ReadTx<'_>, at: &FunctionRef, text: &str) -> Result<Version, Error> {
    let found = Version::parse(text).filter(|_| !text.is_empty());
    let missing = || refusal::no_function(&at.qualified_by(text));
    let version = found.ok_or_else(missing)?;
    if version::find(tx, &at.key(), version)?.is_none() {
        return Err(missing());
    }
    Ok(version)
}

/// The second version of an alias that leads to `main`, if one is asked for.
// AWS: rules and texts as the service words them; "You can point an alias to a maximum of two Lambda function versions".
pub(super) fn additional(
    tx: &ReadTx<'_>,
    at: &FunctionRef,
    main: Version,
    routing: Option<&AliasRoutingConfiguration>,
) -> Result<Option<Additional>, Error> {
    let Some(weights) = routing.and_then(|routing| routing.additional_version_weights.as_ref()) else {
        return Ok(None);
    };
    if weights.len() > 1 {
        return Err(Error::invalid_parameter_value_exception(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    let Some((text, weight)) = weights.iter().next() else { return Ok(None) };
    // Not a number is refused as well.
    if !(0.0..=1.0).contains(weight) {
        return Err(refusal::constraint(
            format!("{{{text}={weight}}}"),
            "routingConfig.additionalVersionWeights",
            "have value less than or equal to 1.0, Member must have value greater than or equal to 0.0",
        ));
    }
    if *text == main.to_string() {
        return Err(Error::invalid_parameter_value_exception(format!(
            "Invalid function version {main}. Function version {main} is already included in routing configuration."
        )));
    }
    if main == Version::Latest || text == crate::resource::LATEST {
        return Err(Error::invalid_parameter_value_exception(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ));
    }
    Ok(Some(Additional { version: existing(tx, at, text)?, weight: *weight }))
}
