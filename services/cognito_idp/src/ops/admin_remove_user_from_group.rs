//! `AdminRemoveUserFromGroup`: takes a user out of a group; her next tokens say so.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminRemoveUserFromGroup, AdminRemoveUserFromGroupInput, AdminRemoveUserFromGroupOutput, Error},
    groups::Group,
    pool::{Place, Trouble},
    user,
};

impl Operation<AdminRemoveUserFromGroup> for CognitoIdp {
    fn access(&self, input: &AdminRemoveUserFromGroupInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminRemoveUserFromGroup", &input.user_pool_id))
    }

    async fn run(
        &self,
        call: Call<AdminRemoveUserFromGroup>,
    ) -> Result<AdminRemoveUserFromGroupOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let (name, group) = (call.input.username.expose().clone(), call.input.group_name);
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let user = user::must_find(tx, &place, &pool.naming, &name)?;
                Group::of_pool(tx, &place, &group)?;
                user::leave(tx, &place, &pool.naming.canonical(&user.username), &group)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(AdminRemoveUserFromGroupOutput {})
    }
}
