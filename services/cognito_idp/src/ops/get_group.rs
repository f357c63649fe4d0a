//! `GetGroup`: a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, GetGroup, GetGroupInput, GetGroupOutput},
    groups::Group,
    pool::Place,
    view,
};

impl Operation<GetGroup> for CognitoIdp {
    fn access(&self, input: &GetGroupInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:GetGroup", &input.user_pool_id))
    }

    async fn run(&self, call: Call<GetGroup>) -> Result<GetGroupOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let group = self.env.store.read(|tx| {
            place.pool(tx)?;
            Group::of_pool(tx, &place, &call.input.group_name)
        })?;
        Ok(GetGroupOutput { group: Some(view::group(group, &place.pool)) })
    }
}
