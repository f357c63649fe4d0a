//! `CreateGroup`: makes a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{CreateGroup, CreateGroupInput, CreateGroupOutput, Error},
    groups::Group,
    passing::with_passed_roles,
    pool::{Place, Trouble},
    refusal::Refusal,
    view,
};

impl Operation<CreateGroup> for CognitoIdp {
    fn access(&self, input: &CreateGroupInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_pool(caller, "cognito-idp:CreateGroup", &input.user_pool_id);
        Ok(with_passed_roles(access, input.role_arn.as_deref()))
    }

    async fn run(&self, call: Call<CreateGroup>) -> Result<CreateGroupOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let input = call.input;
        let pool_id = place.pool.clone();
        let group = Group {
            name: input.group_name,
            description: input.description,
            role_arn: input.role_arn,
            precedence: input.precedence,
            created_at: now,
            modified_at: now,
        };
        let made = self
            .env
            .store
            .write(move |tx| {
                place.pool(tx)?;
                let key = place.key().text(&group.name);
                if tx.exists::<Group>(&key)? {
                    // AWS: as clients show it.
                    return Err(Refusal::group_exists("A group with the name already exists.").into());
                }
                tx.put(&key, &group)?;
                Ok::<_, Trouble>(group.clone())
            })
            .await?;
        Ok(CreateGroupOutput { group: Some(view::group(made, &pool_id)) })
    }
}
