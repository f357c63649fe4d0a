//! `CreateEventSourceMapping`: kept, checked, and not polled.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::{Timestamp, uuid};
use casemate_store::WriteTx;

use crate::{
    Lambda,
    api::{CreateEventSourceMapping, CreateEventSourceMappingInput, CreateEventSourceMappingOutput, Error},
    mapping::{Mapping, reach, settings::Settings, source::Source},
    resource::{FunctionRef, ObjectKind, ObjectRef},
    tags, version,
};

impl Operation<CreateEventSourceMapping> for Lambda {
    fn access(&self, input: &CreateEventSourceMappingInput, caller: &Caller) -> Result<Access, Error> {
        let function = self.at(&input.function_name, None, caller).requested_arn();
        let tags = input.tags.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let ask = Ask::on_any("lambda:CreateEventSourceMapping");
        let ask = ask.with("lambda:FunctionArn", function.as_str());
        Ok(Access::Iam(vec![ask.with_request_tags(tags)]))
    }

    async fn run(
        &self,
        call: Call<CreateEventSourceMapping>,
    ) -> Result<CreateEventSourceMappingOutput, Error> {
        let now = call.now();
        let of = self.fed(&call.input.function_name, call.caller())?;
        let uuid = uuid(&*self.env.entropy, "lambda.event-source-mapping");
        let at = ObjectRef::of_id(ObjectKind::EventSourceMapping, &uuid, &self.env, call.caller());
        let (input, _) = call.into_parts();
        let source = Source::of(&input, self.env.site.scope.region.as_str())?;
        let settings = Settings::of_kind(source.kind(), &uuid).changed(source.kind(), &input)?;
        let tags = input.tags.unwrap_or_default();
        tags::check_given(&tags)?;
        tags::check(&tags)?;
        let mapping = Mapping {
            uuid,
            function: of.requested_arn(),
            source,
            settings,
            enabled: input.enabled != Some(false),
            modified_at: now,
            tags,
        };
        self.judge(&mapping, now)?;
        self.env
            .store
            .write(move |tx| {
                keep(tx, &at, &mapping)?;
                Ok(mapping.shown())
            })
            .await
    }
}

impl Lambda {
    /// The function, version or alias a mapping is to feed: one of the caller's account.
    pub(super) fn fed(&self, name: &str, caller: &Caller) -> Result<FunctionRef, Error> {
        let at = self.at(name, None, caller);
        at.check(&self.env)?;
        if caller.account().as_ref() != Some(&at.scope.account) {
            return Err(no_function());
        }
        Ok(at)
    }

    /// Refuses a mapping where an execution role of what it feeds could not do its part.
    pub(super) fn judge(&self, mapping: &Mapping, now: Timestamp) -> Result<(), Error> {
        let of = FunctionRef::of_arn(&mapping.function).ok_or_else(no_function)?;
        // Of an alias's two versions, which may have other roles, the least draw chooses the second, if it is ever chosen.
        for draw in [None, Some(0)] {
            let function = self.env.store.read(|tx| version::resolve(tx, &of, draw))?;
            reach::check(&self.env, mapping, &function.ok_or_else(no_function)?, now)?;
        }
        Ok(())
    }
}

/// Keeps a mapping, if its function is there and is not fed from there already.
pub(super) fn keep(tx: &mut WriteTx<'_>, at: &ObjectRef, mapping: &Mapping) -> Result<(), Error> {
    let of = FunctionRef::of_arn(&mapping.function).ok_or_else(no_function)?;
    version::resolve(tx, &of, None)?.ok_or_else(no_function)?;
    mapping.refuse_second(tx, &of)?;
    mapping.put(tx, at)
}

// AWS: text as the service words it.
fn no_function() -> Error {
    Error::invalid_parameter_value_exception("Function does not exist")
}
