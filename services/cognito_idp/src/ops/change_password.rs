//! `ChangePassword`: a signed-in user chooses another password. The old one is proved through the same ladder as a sign-in.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{ChangePassword, ChangePasswordInput, ChangePasswordOutput, Error},
    client::Client,
    codes::Limit,
    password::Credential,
    password_flow::put_credential,
    pool::Trouble,
    refusal::Refusal,
    sign_in::Attempt,
    user,
};

impl Operation<ChangePassword> for CognitoIdp {
    fn access(&self, input: &ChangePasswordInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(&self, call: Call<ChangePassword>) -> Result<ChangePasswordOutput, Error> {
        let (holder, now) = (Self::bearer(call.caller())?, call.now());
        let place = self.place_of(&holder);
        let input = call.input;
        let previous = input
            .previous_password
            .ok_or_else(|| Refusal::invalid_parameter("Missing required parameter PreviousPassword"))?;
        let (at, who) = (place.clone(), holder.clone());
        let (pool, client, before, credential) = self
            .env
            .store
            .write(move |tx| {
                let pool = at.pool(tx)?;
                let client = Client::of_pool(tx, &at, &who.client)?;
                let before = who.user(tx, &at, &pool)?;
                let canonical = pool.naming.canonical(&before.username);
                user::count_attempt(tx, &at, &canonical, Limit::ChangePassword, now)?;
                let credential = tx.get::<Credential>(&user::key(&at, &canonical))?;
                Ok::<_, Trouble>((pool, client, before, credential))
            })
            .await?;
        pool.policy.check(input.proposed_password.expose())?;
        let subject = pool.naming.canonical(&before.username);
        self.check_lock(&place, &subject, now)?;
        let right = self.password_matches(credential.clone(), previous).await?;
        let attempt = Attempt {
            place: place.clone(),
            pool: pool.clone(),
            client,
            subject: subject.clone(),
            credential: credential.clone(),
            nonce: None,
            right,
            now,
        };
        self.settle(attempt).await?;
        let new = self.derive(&place, &before.username, input.proposed_password).await?;
        self.env
            .store
            .write(move |tx| {
                let mut user = holder.user(tx, &place, &pool)?;
                if tx.get::<Credential>(&user::key(&place, &subject))? != credential {
                    return Err(Refusal::wrong_password().into());
                }
                user.modified_at = now;
                tx.put(&user::key(&place, &subject), &user)?;
                put_credential(tx, &place, &subject, &new)
            })
            .await?;
        Ok(ChangePasswordOutput {})
    }
}
