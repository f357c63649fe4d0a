//! `CreateUserPool`: makes a pool, with two signing keys of its own.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::alphanumeric;
use casemate_store::Key;

use crate::{
    CognitoIdp,
    api::{CreateUserPool, CreateUserPoolInput, CreateUserPoolOutput, Error},
    passing::{senders, with_passed_roles},
    pool::{self, PER_REGION_MAX, Place, PoolIndex, Trouble, UserPool},
    pool_config::{self, Identity},
    refusal::Refusal,
    view,
};

impl Operation<CreateUserPool> for CognitoIdp {
    fn access(&self, input: &CreateUserPoolInput, _caller: &Caller) -> Result<Access, Error> {
        let tags = input.user_pool_tags.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let access = Access::Iam(vec![Ask::on_any("cognito-idp:CreateUserPool").with_request_tags(tags)]);
        Ok(with_passed_roles(access, senders(input.sms_configuration.as_ref())))
    }

    async fn run(&self, call: Call<CreateUserPool>) -> Result<CreateUserPoolOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let input = call.input;
        let id = format!("{}_{}", scope.region, alphanumeric(&*self.env.entropy, "cognito.pool_id", 9));
        let identity = Identity {
            id: id.clone(),
            name: input.pool_name.clone(),
            created_at: now,
            now,
            naming: pool_config::naming(&input)?,
            schema: pool_config::schema(input.schema.clone())?,
        };
        let made = pool_config::build(identity, input)?;
        let keys = self.keys.fresh(&self.env).await?;
        let place = Place::new(&scope, &id);
        let (at, stored) = (place.clone(), made.clone());
        self.env
            .store
            .write(move |tx| {
                if tx.scan::<UserPool>(&Key::of(&at.scope), None, PER_REGION_MAX)?.len() >= PER_REGION_MAX {
                    return Err(Refusal::limit_exceeded("User pool limit exceeded.").into());
                }
                tx.put(&Key::global().text(&at.pool), &PoolIndex { scope: at.scope.clone() })?;
                tx.put(&at.key(), &keys)?;
                pool::put(tx, &at, &stored)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(CreateUserPoolOutput { user_pool: Some(view::pool(&place, &made, 0)) })
    }
}
