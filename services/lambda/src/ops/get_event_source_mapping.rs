//! `GetEventSourceMapping`.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, GetEventSourceMapping, GetEventSourceMappingInput, GetEventSourceMappingOutput},
    ask,
    mapping::Mapping,
    refusal,
    resource::{ObjectKind, ObjectRef},
};

impl Operation<GetEventSourceMapping> for Lambda {
    fn access(&self, input: &GetEventSourceMappingInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.mapping_ask("lambda:GetEventSourceMapping", &input.uuid, caller)?]))
    }

    async fn run(&self, call: Call<GetEventSourceMapping>) -> Result<GetEventSourceMappingOutput, Error> {
        let at = ObjectRef::of_id(ObjectKind::EventSourceMapping, &call.input.uuid, &self.env, call.caller());
        let found = self.env.store.read(|tx| Mapping::find(tx, &at))?;
        Ok(found.ok_or_else(refusal::no_resource)?.shown())
    }
}

impl Lambda {
    /// Asks for an action on a mapping; its function is a condition key.
    pub(super) fn mapping_ask(
        &self,
        action: &'static str,
        uuid: &str,
        caller: &Caller,
    ) -> Result<Ask, Error> {
        let at = ObjectRef::of_id(ObjectKind::EventSourceMapping, uuid, &self.env, caller);
        let found = self.env.store.read(|tx| Mapping::find(tx, &at))?;
        let ask = ask::on(action, at.arn(), caller);
        Ok(match found {
            Some(mapping) => ask.with("lambda:FunctionArn", mapping.function.as_str()),
            None => ask,
        })
    }
}
