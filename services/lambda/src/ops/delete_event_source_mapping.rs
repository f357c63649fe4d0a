//! `DeleteEventSourceMapping`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{DeleteEventSourceMapping, DeleteEventSourceMappingInput, DeleteEventSourceMappingOutput, Error},
    mapping::Mapping,
    refusal,
    resource::{ObjectKind, ObjectRef},
};

impl Operation<DeleteEventSourceMapping> for Lambda {
    fn access(&self, input: &DeleteEventSourceMappingInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.mapping_ask("lambda:DeleteEventSourceMapping", &input.uuid, caller)?]))
    }

    async fn run(
        &self,
        call: Call<DeleteEventSourceMapping>,
    ) -> Result<DeleteEventSourceMappingOutput, Error> {
        let at = ObjectRef::of_id(ObjectKind::EventSourceMapping, &call.input.uuid, &self.env, call.caller());
        let gone = self.env.store.write(move |tx| Mapping::remove(tx, &at)).await?;
        let shown = gone.ok_or_else(refusal::no_resource)?.shown();
        // AWS: the answer's state; here it is gone already.
        Ok(DeleteEventSourceMappingOutput { state: Some("Deleting".to_owned()), ..shown })
    }
}
