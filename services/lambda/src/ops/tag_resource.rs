//! `TagResource`: functions only.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::Arn;

use crate::{
    Lambda,
    api::{Error, TagResource, TagResourceInput, TagResourceOutput},
    ask,
    function::Function,
    refusal,
    resource::FunctionRef,
};

/// Tags of one function.
// AWS: 50 per resource (Lambda developer guide, "Tag limitations").
const TAGS_MAX: usize = 50;

impl Operation<TagResource> for Lambda {
    fn access(&self, input: &TagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let tags = input.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(Access::Iam(vec![ask("lambda:TagResource", &input.resource, caller).with_request_tags(tags)]))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let (input, _) = call.into_parts();
        self.change_tags(&input.resource, move |tags| {
            tags.extend(input.tags.clone());
            if tags.len() > TAGS_MAX {
                return Err(Error::invalid_parameter_value_exception(format!(
                    "a function may have at most {TAGS_MAX} tags"
                )));
            }
            Ok(())
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
    /// The function that an ARN names, unqualified.
    pub(super) fn tagged(&self, resource: &str) -> Result<FunctionRef, Error> {
        let at = Arn::parse(resource).ok().and_then(|arn| FunctionRef::of_arn(&arn));
        let at = at.ok_or_else(|| refusal::not_here("tagging anything but functions"))?;
        if at.qualifier.is_some() {
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            ));
        }
        at.check(&self.env)?;
        Ok(at)
    }

    /// Changes a function's tags.
    pub(super) async fn change_tags(
        &self,
        resource: &str,
        change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let at = self.tagged(resource)?;
        self.env
            .store
            .write(move |tx| {
                let mut function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                change(&mut function.tags)?;
                tx.put(&at.key(), &function)?;
                Ok::<_, Error>(())
            })
            .await
    }
}
