//! `UpdateGroup`: changes what it names of a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, UpdateGroup, UpdateGroupInput, UpdateGroupOutput},
    groups::Group,
    passing::with_passed_roles,
    pool::{Place, Trouble},
    view,
};

impl Operation<UpdateGroup> for CognitoIdp {
    fn access(&self, input: &UpdateGroupInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_pool(caller, "cognito-idp:UpdateGroup", &input.user_pool_id);
        Ok(with_passed_roles(access, input.role_arn.as_deref()))
    }

    async fn run(&self, call: Call<UpdateGroup>) -> Result<UpdateGroupOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let input = call.input;
        let pool_id = place.pool.clone();
        let changed = self
            .env
            .store
            .write(move |tx| {
                place.pool(tx)?;
                let mut group = Group::of_pool(tx, &place, &input.group_name)?;
                group.description = input.description.clone().or(group.description);
                group.role_arn = input.role_arn.clone().or(group.role_arn);
                group.precedence = input.precedence.or(group.precedence);
                group.modified_at = now;
                tx.put(&place.key().text(&group.name), &group)?;
                Ok::<_, Trouble>(group)
            })
            .await?;
        Ok(UpdateGroupOutput { group: Some(view::group(changed, &pool_id)) })
    }
}
