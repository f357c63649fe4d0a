//! `UpdateUserPoolClient`: sets a client's settings anew; what is not named goes back to its default, as at AWS.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, UpdateUserPoolClient, UpdateUserPoolClientInput, UpdateUserPoolClientOutput},
    client::Client,
    client_config::{self, Identity},
    passing::with_passed_roles,
    pool::{Place, Trouble},
    view,
};

impl Operation<UpdateUserPoolClient> for CognitoIdp {
    fn access(&self, input: &UpdateUserPoolClientInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_pool(caller, "cognito-idp:UpdateUserPoolClient", &input.user_pool_id);
        let analytics = input.analytics_configuration.as_ref();
        Ok(with_passed_roles(access, analytics.and_then(|analytics| analytics.role_arn.as_deref())))
    }

    async fn run(&self, call: Call<UpdateUserPoolClient>) -> Result<UpdateUserPoolClientOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let input = call.input;
        let changed = self
            .env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let before = Client::of_pool(tx, &place, input.client_id.expose())?;
                let identity = Identity {
                    id: before.id,
                    name: input.client_name.clone().unwrap_or(before.name),
                    secret: before.secret,
                    created_at: before.created_at,
                    now,
                };
                let after =
                    client_config::build(identity, &pool.schema, client_config::of_update(input.clone()))?;
                after.put(tx, &place)?;
                Ok::<_, Trouble>(after)
            })
            .await?;
        Ok(UpdateUserPoolClientOutput { user_pool_client: Some(view::client(&changed)) })
    }
}
