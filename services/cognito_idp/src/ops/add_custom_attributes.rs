//! `AddCustomAttributes`: adds attributes to a pool's schema. None can be changed or taken away again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AddCustomAttributes, AddCustomAttributesInput, AddCustomAttributesOutput, Error},
    pool::{self, Place, Trouble},
    pool_config,
};

impl Operation<AddCustomAttributes> for CognitoIdp {
    fn access(&self, input: &AddCustomAttributesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AddCustomAttributes", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AddCustomAttributes>) -> Result<AddCustomAttributesOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let added = call.input.custom_attributes;
        self.env
            .store
            .write(move |tx| {
                let mut pool = place.pool(tx)?;
                pool_config::add_custom(&mut pool.schema, added.clone())?;
                pool.modified_at = now;
                pool::put(tx, &place, &pool)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(AddCustomAttributesOutput {})
    }
}
