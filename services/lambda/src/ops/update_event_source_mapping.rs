//! `UpdateEventSourceMapping`: everything but the source.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::create_event_source_mapping::keep;
use crate::{
    Lambda,
    api::{Error, UpdateEventSourceMapping, UpdateEventSourceMappingInput, UpdateEventSourceMappingOutput},
    ask,
    mapping::{Mapping, settings::as_new},
    refusal,
    resource::{ObjectKind, ObjectRef},
};

impl Operation<UpdateEventSourceMapping> for Lambda {
    fn access(&self, input: &UpdateEventSourceMappingInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.mapping_ask("lambda:UpdateEventSourceMapping", &input.uuid, caller)?;
        let Some(name) = &input.function_name else { return Ok(Access::Iam(vec![ask])) };
        // Whoever may change mappings of one function may not hand its source to another.
        let other = self.at(name, None, caller).requested_arn();
        let at = ObjectRef::of_id(ObjectKind::EventSourceMapping, &input.uuid, &self.env, caller);
        let moved = ask::on("lambda:UpdateEventSourceMapping", at.arn(), caller);
        let moved = moved.with("lambda:FunctionArn", other.as_str());
        Ok(Access::Iam(vec![ask, moved]))
    }

    async fn run(
        &self,
        call: Call<UpdateEventSourceMapping>,
    ) -> Result<UpdateEventSourceMappingOutput, Error> {
        let now = call.now();
        let at = ObjectRef::of_id(ObjectKind::EventSourceMapping, &call.input.uuid, &self.env, call.caller());
        let to = call.input.function_name.as_deref().map(|name| self.fed(name, call.caller())).transpose()?;
        let (input, _) = call.into_parts();
        let before = self.env.store.read(|tx| Mapping::find(tx, &at))?.ok_or_else(refusal::no_resource)?;
        let mut mapping = before.clone();
        mapping.settings = mapping.settings.changed(mapping.source.kind(), &as_new(&input))?;
        mapping.enabled = input.enabled.unwrap_or(mapping.enabled);
        mapping.modified_at = now;
        if let Some(to) = &to {
            mapping.function = to.requested_arn();
        }
        self.judge(&mapping, now)?;
        self.env
            .store
            .write(move |tx| {
                if Mapping::find(tx, &at)?.as_ref() != Some(&before) {
                    // AWS: text as the service words it. What was judged is what is kept.
                    return Err(Error::resource_in_use_exception(
                        "Cannot update the event source mapping because it is in use.",
                    ));
                }
                keep(tx, &at, &mapping)?;
                Ok(mapping.shown())
            })
            .await
    }
}
