//! `AdminAddUserToGroup`: puts a user into a group; her next tokens say so.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminAddUserToGroup, AdminAddUserToGroupInput, AdminAddUserToGroupOutput, Error},
    groups::Group,
    pool::Place,
    user,
};

impl Operation<AdminAddUserToGroup> for CognitoIdp {
    fn access(&self, input: &AdminAddUserToGroupInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminAddUserToGroup", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminAddUserToGroup>) -> Result<AdminAddUserToGroupOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let (name, group) = (call.input.username.expose().clone(), call.input.group_name);
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let user = user::must_find(tx, &place, &pool.naming, &name)?;
                Group::of_pool(tx, &place, &group)?;
                user::join(tx, &place, &pool.naming.canonical(&user.username), &group, now)
            })
            .await?;
        Ok(AdminAddUserToGroupOutput {})
    }
}
