//! `ConfirmForgotPassword`: the code gives the right to a new password.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::confirm_sign_up::unknown;
use crate::{
    CognitoIdp,
    api::{ConfirmForgotPassword, ConfirmForgotPasswordInput, ConfirmForgotPasswordOutput, Error},
    codes::{self, Limit},
    password::Credential,
    password_flow::put_credential,
    pool::Trouble,
    refusal::Refusal,
    sign_in::unlock,
    srp_flow::At,
    user::{self, OnConflict, Status},
};

impl Operation<ConfirmForgotPassword> for CognitoIdp {
    fn access(&self, input: &ConfirmForgotPasswordInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "recovering a password: the code is the proof; attempts are limited",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<ConfirmForgotPassword>) -> Result<ConfirmForgotPasswordOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let input = call.input;
        let name = input.username.expose().clone();
        at.client
            .check_secret_hash(&[&name], input.secret_hash.as_ref().map(|hash| hash.expose().as_str()))?;
        at.pool.policy.check(input.password.expose())?;
        let user = self.env.store.read(|tx| user::find(tx, &at.place, &at.pool.naming, &name))?;
        // The same work for a user who does not exist.
        let srp_user = user.map_or_else(|| name.clone(), |user| user.username);
        let credential = self.derive(&at.place, &srp_user, input.password).await?;
        let sent = input.confirmation_code;
        let settled =
            self.env.store.write(move |tx| confirm(tx, &at, &name, &srp_user, &sent, &credential)).await?;
        settled?;
        Ok(ConfirmForgotPasswordOutput {})
    }
}

fn confirm(
    tx: &mut casemate_store::WriteTx<'_>,
    at: &At,
    name: &str,
    srp_user: &str,
    sent: &str,
    credential: &Credential,
) -> Result<Result<(), Refusal>, Trouble> {
    let user = user::find(tx, &at.place, &at.pool.naming, name)?;
    let canonical = at.pool.naming.canonical(user.as_ref().map_or(name, |user| &user.username));
    user::count_attempt(tx, &at.place, &canonical, Limit::PasswordReset, at.now)?;
    if user.is_none() && !at.client.hides_existence() {
        return Ok(Err(unknown()));
    }
    let attribute = match user::answer_code(tx, &at.place, &canonical, user::PASSWORD, sent, at.now)? {
        Ok(attribute) => attribute,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // The code of a simulated delivery, guessed; or a user who was replaced while the password was being hashed.
    let usable = user.filter(|user| user.enabled && user.username == srp_user && !attribute.is_empty());
    let Some(before) = usable else { return Ok(Err(codes::mismatch())) };
    let mut after = before.clone();
    after.status = Status::Confirmed;
    after.temporary_until = None;
    after.modified_at = at.now;
    after.attributes.set(&format!("{attribute}_verified"), "true");
    user::update(tx, &at.place, &at.pool, Some(&before), &after, OnConflict::Refuse)?;
    put_credential(tx, &at.place, &canonical, credential)?;
    unlock(tx, &at.place, &canonical)?;
    Ok(Ok(()))
}
