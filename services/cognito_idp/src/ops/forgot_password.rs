//! `ForgotPassword`: sends a code that gives the right to a new password.

use casemate_kernel::{Access, Call, Caller, Operation, Outbox};

use super::confirm_sign_up::unknown;
use crate::{
    CognitoIdp,
    api::{Error, ForgotPassword, ForgotPasswordInput, ForgotPasswordOutput},
    codes::{Code, Limit, PASSWORD_LIFE_S},
    delivery::{Delivery, Letter, code_text, rehearse},
    pool::{Trouble, UserPool},
    refusal::Refusal,
    user::{self, Status, User},
};

impl Operation<ForgotPassword> for CognitoIdp {
    fn access(&self, input: &ForgotPasswordInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "recovering a password: the code goes to a verified address; requests are limited",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<ForgotPassword>) -> Result<ForgotPasswordOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let name = call.input.username.expose().clone();
        let hash = call.input.secret_hash.as_ref().map(|hash| hash.expose().as_str());
        at.client.check_secret_hash(&[&name], hash)?;
        let fresh = Code::draw(&*self.env.entropy, "", at.now, PASSWORD_LIFE_S);
        let id = Outbox::new_id(&*self.env.entropy);
        let delivery = self
            .env
            .store
            .write(move |tx| {
                let user = user::find(tx, &at.place, &at.pool.naming, &name)?;
                let canonical = at.pool.naming.canonical(user.as_ref().map_or(&name, |user| &user.username));
                user::count_attempt(tx, &at.place, &canonical, Limit::PasswordReset, at.now)?;
                let recoverable = recoverable(&at.pool, user.as_ref());
                let delivery = match recoverable {
                    Ok(delivery) => delivery,
                    Err(refusal) if !at.client.hides_existence() => return Ok(Err(refusal)),
                    Err(_) => {
                        // A code that nobody is sent, so that confirming answers as it does for a real user.
                        user::put_code(tx, &at.place, &canonical, user::PASSWORD, &fresh)?;
                        rehearse(tx, &at.place)?;
                        return Ok(Ok(Delivery::simulated(&name, &at.pool)));
                    }
                };
                let code = fresh.clone().sent_to(&delivery.attribute);
                let letter = Letter {
                    id: id.clone(),
                    reason: "ForgotPassword",
                    delivery: delivery.clone(),
                    username: user.map(|user| user.username).unwrap_or_default(),
                    text: code_text(&at.pool, code.digits()),
                };
                user::put_code(tx, &at.place, &canonical, user::PASSWORD, &code)?;
                letter.queue(tx, &at.place, at.now)?;
                Ok::<_, Trouble>(Ok(delivery))
            })
            .await??;
        Ok(ForgotPasswordOutput { code_delivery_details: Some(delivery.details()) })
    }
}

/// Where the code goes, or why there can be none.
pub(super) fn recoverable(pool: &UserPool, user: Option<&User>) -> Result<Delivery, Refusal> {
    // AWS: texts as clients show them.
    let user = user.ok_or_else(unknown)?;
    if pool.recovery == ["admin_only"] {
        return Err(Refusal::not_authorized("Contact administrator to reset password."));
    }
    if !user.enabled {
        return Err(Refusal::not_authorized("User is disabled."));
    }
    if user.status == Status::ForceChangePassword {
        return Err(Refusal::not_authorized("User password cannot be reset in the current state."));
    }
    Delivery::of_recovery(pool, &user.attributes).ok_or_else(|| {
        Refusal::invalid_parameter(
            "Cannot reset password for the user as there is no registered/verified email or phone_number",
        )
    })
}
