//! `VerifyUserAttribute`: the code proves one of the bearer's addresses.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, VerifyUserAttribute, VerifyUserAttributeInput, VerifyUserAttributeOutput},
    codes::{self, Limit},
    pool::Trouble,
    user::{self, OnConflict},
};

impl Operation<VerifyUserAttribute> for CognitoIdp {
    fn access(&self, input: &VerifyUserAttributeInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(&self, call: Call<VerifyUserAttribute>) -> Result<VerifyUserAttributeOutput, Error> {
        let (holder, now) = (Self::bearer(call.caller())?, call.now());
        let place = self.place_of(&holder);
        let (attribute, sent) = (call.input.attribute_name, call.input.code);
        let settled = self
            .env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let before = holder.user(tx, &place, &pool)?;
                if !matches!(attribute.as_str(), "email" | "phone_number") {
                    return Ok(Err(codes::mismatch()));
                }
                let canonical = pool.naming.canonical(&before.username);
                user::count_attempt(tx, &place, &canonical, Limit::VerifyAttribute, now)?;
                if let Err(refusal) = user::answer_code(tx, &place, &canonical, &attribute, &sent, now)? {
                    return Ok(Err(refusal));
                }
                let mut after = before.clone();
                after.attributes.set(&format!("{attribute}_verified"), "true");
                after.modified_at = now;
                user::update(tx, &place, &pool, Some(&before), &after, OnConflict::Refuse)?;
                Ok::<_, Trouble>(Ok(()))
            })
            .await?;
        settled?;
        Ok(VerifyUserAttributeOutput {})
    }
}
