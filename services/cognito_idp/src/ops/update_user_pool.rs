//! `UpdateUserPool`: sets a pool's settings anew; what is not named goes back to its default, as at AWS.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, UpdateUserPool, UpdateUserPoolInput, UpdateUserPoolOutput},
    passing::{senders, with_passed_roles},
    pool::{self, Place, Trouble},
    pool_config::{self, Identity},
    resource,
};

impl Operation<UpdateUserPool> for CognitoIdp {
    fn access(&self, input: &UpdateUserPoolInput, caller: &Caller) -> Result<Access, Error> {
        let tags = input.user_pool_tags.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let arn = resource::pool_arn(&self.scope_of(caller), &input.user_pool_id);
        let access = Access::Iam(vec![Ask::on("cognito-idp:UpdateUserPool", arn).with_request_tags(tags)]);
        Ok(with_passed_roles(access, senders(input.sms_configuration.as_ref())))
    }

    async fn run(&self, call: Call<UpdateUserPool>) -> Result<UpdateUserPoolOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let input = call.input;
        self.env
            .store
            .write(move |tx| {
                let before = place.pool(tx)?;
                let named = input.pool_name.clone();
                let (tags, kept_tags) = (input.user_pool_tags.clone(), before.tags);
                let identity = Identity {
                    id: before.id,
                    name: named.unwrap_or(before.name),
                    created_at: before.created_at,
                    now,
                    naming: before.naming,
                    schema: before.schema,
                };
                let mut after = pool_config::build(identity, pool_config::of_update(input.clone()))?;
                if tags.is_none() {
                    after.tags = kept_tags;
                }
                pool::put(tx, &place, &after)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(UpdateUserPoolOutput {})
    }
}
