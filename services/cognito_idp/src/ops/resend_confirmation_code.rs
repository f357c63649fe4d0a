//! `ResendConfirmationCode`: a new sign-up code in place of the old one.

use casemate_kernel::{Access, Call, Caller, Operation, Outbox};

use super::confirm_sign_up::unknown;
use crate::{
    CognitoIdp,
    api::{Error, ResendConfirmationCode, ResendConfirmationCodeInput, ResendConfirmationCodeOutput},
    codes::{Code, Limit, SIGN_UP_LIFE_S},
    delivery::{Delivery, Letter, code_text, rehearse},
    pool::Trouble,
    refusal::Refusal,
    user::{self, Status},
};

impl Operation<ResendConfirmationCode> for CognitoIdp {
    fn access(&self, input: &ResendConfirmationCodeInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "signing up: the code goes to the address given at sign-up; requests are limited",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<ResendConfirmationCode>) -> Result<ResendConfirmationCodeOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let name = call.input.username.expose().clone();
        let hash = call.input.secret_hash.as_ref().map(|hash| hash.expose().as_str());
        at.client.check_secret_hash(&[&name], hash)?;
        let fresh = Code::draw(&*self.env.entropy, "", at.now, SIGN_UP_LIFE_S);
        let id = Outbox::new_id(&*self.env.entropy);
        let delivery = self
            .env
            .store
            .write(move |tx| {
                let hides = at.client.hides_existence();
                let user = user::find(tx, &at.place, &at.pool.naming, &name)?;
                let canonical = at.pool.naming.canonical(user.as_ref().map_or(&name, |user| &user.username));
                user::count_attempt(tx, &at.place, &canonical, Limit::Resend, at.now)?;
                let waiting = user.as_ref().filter(|user| user.status == Status::Unconfirmed);
                let delivery = waiting.and_then(|user| Delivery::of_sign_up(&at.pool, &user.attributes));
                let (Some(user), Some(delivery)) = (waiting, delivery) else {
                    // The attempt counts also here, so the refusal is committed with it.
                    if !hides {
                        return Ok(Err(why_not(user.is_some(), waiting.is_some())));
                    }
                    rehearse(tx, &at.place)?;
                    return Ok(Ok(Delivery::simulated(&name, &at.pool)));
                };
                let code = fresh.clone().sent_to(&delivery.attribute);
                let letter = Letter {
                    id: id.clone(),
                    reason: "ResendCode",
                    delivery: delivery.clone(),
                    username: user.username.clone(),
                    text: code_text(&at.pool, code.digits()),
                };
                user::put_code(tx, &at.place, &canonical, user::SIGN_UP, &code)?;
                letter.queue(tx, &at.place, at.now)?;
                Ok::<_, Trouble>(Ok(delivery))
            })
            .await??;
        Ok(ResendConfirmationCodeOutput { code_delivery_details: Some(delivery.details()) })
    }
}

fn why_not(exists: bool, waiting: bool) -> Refusal {
    // AWS: as clients show them.
    match (exists, waiting) {
        (false, _) => unknown(),
        (true, false) => Refusal::invalid_parameter("User is already confirmed."),
        (true, true) => Refusal::invalid_parameter("Auto verification not turned on."),
    }
}
