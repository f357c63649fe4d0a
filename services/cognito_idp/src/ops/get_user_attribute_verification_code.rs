//! `GetUserAttributeVerificationCode`: sends a code that proves one of the bearer's addresses.

use casemate_kernel::{Access, Call, Caller, Operation, Outbox};

use crate::{
    CognitoIdp,
    api::{
        Error, GetUserAttributeVerificationCode, GetUserAttributeVerificationCodeInput,
        GetUserAttributeVerificationCodeOutput,
    },
    codes::{Code, Limit, SIGN_UP_LIFE_S},
    delivery::{Delivery, Letter, code_text},
    pool::Trouble,
    refusal::Refusal,
    user,
};

impl Operation<GetUserAttributeVerificationCode> for CognitoIdp {
    fn access(
        &self,
        input: &GetUserAttributeVerificationCodeInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(
        &self,
        call: Call<GetUserAttributeVerificationCode>,
    ) -> Result<GetUserAttributeVerificationCodeOutput, Error> {
        let (holder, now) = (Self::bearer(call.caller())?, call.now());
        let place = self.place_of(&holder);
        let attribute = call.input.attribute_name;
        let code = Code::draw(&*self.env.entropy, &attribute, now, SIGN_UP_LIFE_S);
        let id = Outbox::new_id(&*self.env.entropy);
        let delivery = self
            .env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let user = holder.user(tx, &place, &pool)?;
                let provable = matches!(attribute.as_str(), "email" | "phone_number");
                let delivery =
                    Delivery::to(&attribute, &user.attributes).filter(|_| provable).ok_or_else(|| {
                        Refusal::invalid_parameter(format!(
                            "Attribute {attribute} cannot be verified for this user."
                        ))
                    })?;
                let canonical = pool.naming.canonical(&user.username);
                user::count_attempt(tx, &place, &canonical, Limit::AttributeCode, now)?;
                user::put_code(tx, &place, &canonical, &attribute, &code)?;
                let letter = Letter {
                    id: id.clone(),
                    reason: "VerifyUserAttribute",
                    delivery: delivery.clone(),
                    username: user.username,
                    text: code_text(&pool, code.digits()),
                };
                letter.queue(tx, &place, now)?;
                Ok::<_, Trouble>(delivery)
            })
            .await?;
        Ok(GetUserAttributeVerificationCodeOutput { code_delivery_details: Some(delivery.details()) })
    }
}
