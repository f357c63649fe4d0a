//! `TagResource`.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::Arn;

use crate::{
    Lambda,
    api::{Error, TagResource, TagResourceInput, TagResourceOutput},
    ask, refusal,
    tags::{self, Tagged, Tags},
};

impl Operation<TagResource> for Lambda {
    fn access(&self, input: &TagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let tags = input.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(Access::Iam(vec![ask("lambda:TagResource", &input.resource, caller).with_request_tags(tags)]))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let (input, _) = call.into_parts();
        tags::check_given(&input.tags)?;
        self.change_tags(&input.resource, move |tags| {
            tags.extend(input.tags.clone());
            tags::check(tags)
        })
        .await?;
        Ok(TagResourceOutput {})
    }
}

/// Asks for a tagging action on whatever the ARN names.
pub(super) fn ask(action: &'static str, resource: &str, caller: &Caller) -> Ask {
    match Arn::parse(resource) {
        Ok(arn) => ask::on(action, arn, caller),
        Err(_) => Ask::on_any(action),
    }
}

impl Lambda {
    /// What an ARN names, if it can have tags and is of this region.
    pub(super) fn tagged(&self, resource: &str) -> Result<Tagged, Error> {
        let at = Arn::parse(resource).ok().and_then(|arn| Tagged::of_arn(&arn));
        let at = at.ok_or_else(|| refusal::not_here("tagging this resource"))?;
        if let Tagged::Function(at) = &at {
            if at.qualifier.is_some() {
                // AWS: text as the service words it.
                return Err(Error::invalid_parameter_value_exception(
                    "Tags on function aliases and versions are not supported. Please specify a function ARN.",
                ));
            }
            at.check(&self.env)?;
        }
        Ok(at)
    }

    /// Changes a resource's tags.
    pub(super) async fn change_tags(
        &self,
        resource: &str,
        change: impl Fn(&mut Tags) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let at = self.tagged(resource)?;
        self.env
            .store
            .write(move |tx| {
                let mut tags = at.tags(tx)?.ok_or_else(|| at.missing())?;
                change(&mut tags)?;
                at.set(tx, tags)
            })
            .await
    }
}
