//! `AdminResetUserPassword`: the password stops working until the user chooses another with the code she is sent.

use casemate_kernel::{Access, Call, Caller, Operation, Outbox};

use super::forgot_password::recoverable;
use crate::{
    CognitoIdp,
    api::{AdminResetUserPassword, AdminResetUserPasswordInput, AdminResetUserPasswordOutput, Error},
    codes::{Code, PASSWORD_LIFE_S},
    delivery::{Letter, code_text},
    pool::{Place, Trouble},
    user::{self, Status},
};

impl Operation<AdminResetUserPassword> for CognitoIdp {
    fn access(&self, input: &AdminResetUserPasswordInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminResetUserPassword", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminResetUserPassword>) -> Result<AdminResetUserPasswordOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let name = call.input.username.expose().clone();
        let fresh = Code::draw(&*self.env.entropy, "", now, PASSWORD_LIFE_S);
        let id = Outbox::new_id(&*self.env.entropy);
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let mut user = user::must_find(tx, &place, &pool.naming, &name)?;
                let delivery = recoverable(&pool, Some(&user))?;
                user.status = Status::ResetRequired;
                user.modified_at = now;
                let canonical = pool.naming.canonical(&user.username);
                tx.put(&user::key(&place, &canonical), &user)?;
                let code = fresh.clone().sent_to(&delivery.attribute);
                user::put_code(tx, &place, &canonical, user::PASSWORD, &code)?;
                let letter = Letter {
                    id: id.clone(),
                    reason: "ForgotPassword",
                    delivery,
                    username: user.username,
                    text: code_text(&pool, code.digits()),
                };
                letter.queue(tx, &place, now)
            })
            .await
            .map_err(|trouble: Trouble| Error::from(trouble))?;
        Ok(AdminResetUserPasswordOutput {})
    }
}
