//! `CreateUserPoolClient`: makes an app client.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::{Secret, lower_alphanumeric};

use crate::{
    CognitoIdp,
    api::{CreateUserPoolClient, CreateUserPoolClientInput, CreateUserPoolClientOutput, Error},
    client::{Client, PER_POOL_MAX},
    client_config::{self, Identity},
    passing::with_passed_roles,
    pool::{Place, Trouble},
    refusal::Refusal,
    view,
};

/// AWS: characters of generated secrets and client ids, as observed.
const SECRET_CHARS: usize = 52;
/// See [`SECRET_CHARS`].
const ID_CHARS: usize = 26;

impl Operation<CreateUserPoolClient> for CognitoIdp {
    fn access(&self, input: &CreateUserPoolClientInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_pool(caller, "cognito-idp:CreateUserPoolClient", &input.user_pool_id);
        let analytics = input.analytics_configuration.as_ref();
        Ok(with_passed_roles(access, analytics.and_then(|analytics| analytics.role_arn.as_deref())))
    }

    async fn run(&self, call: Call<CreateUserPoolClient>) -> Result<CreateUserPoolClientOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let input = call.input;
        if input.client_secret.is_some() && input.generate_secret == Some(true) {
            return Err(Error::invalid_parameter_exception(
                "GenerateSecret and ClientSecret exclude each other.",
            ));
        }
        let generated = || {
            let text = lower_alphanumeric(&*self.env.entropy, "cognito.client_secret", SECRET_CHARS);
            (input.generate_secret == Some(true)).then(|| Secret::new(text))
        };
        let identity = Identity {
            id: lower_alphanumeric(&*self.env.entropy, "cognito.client_id", ID_CHARS),
            name: input.client_name.clone(),
            secret: input.client_secret.clone().or_else(generated),
            created_at: now,
            now,
        };
        let made = self
            .env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                if tx.scan::<Client>(&place.key(), None, PER_POOL_MAX)?.len() >= PER_POOL_MAX {
                    return Err(Refusal::limit_exceeded("User pool client limit exceeded.").into());
                }
                let client = client_config::build(identity.clone(), &pool.schema, input.clone())?;
                client.put(tx, &place)?;
                Ok::<_, Trouble>(client)
            })
            .await?;
        Ok(CreateUserPoolClientOutput { user_pool_client: Some(view::client(&made)) })
    }
}
