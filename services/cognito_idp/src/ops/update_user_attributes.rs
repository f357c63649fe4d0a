//! `UpdateUserAttributes`: a signed-in user changes what her client may write. A new address must be proved again.

use casemate_kernel::{Access, Call, Caller, Operation, Outbox};

use crate::{
    CognitoIdp,
    api::{Error, UpdateUserAttributes, UpdateUserAttributesInput, UpdateUserAttributesOutput},
    attributes::Occasion,
    client::Client,
    codes::{Code, SIGN_UP_LIFE_S},
    delivery::{Delivery, Letter, code_text},
    password_flow::change_attribute,
    pool::Trouble,
    user::{self, OnConflict},
};

impl Operation<UpdateUserAttributes> for CognitoIdp {
    fn access(&self, input: &UpdateUserAttributesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(&self, call: Call<UpdateUserAttributes>) -> Result<UpdateUserAttributesOutput, Error> {
        let (holder, now) = (Self::bearer(call.caller())?, call.now());
        let place = self.place_of(&holder);
        let written: Vec<(String, String)> = call
            .input
            .user_attributes
            .into_iter()
            .map(|a| (a.name, a.value.map(|v| v.expose().clone()).unwrap_or_default()))
            .collect();
        // One code and message for each address that may have to be proved.
        let drawn: Vec<(Code, String)> = ["email", "phone_number"]
            .into_iter()
            .map(|attribute| {
                let code = Code::draw(&*self.env.entropy, attribute, now, SIGN_UP_LIFE_S);
                (code, Outbox::new_id(&*self.env.entropy))
            })
            .collect();
        let sent = self
            .env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let client = Client::of_pool(tx, &place, &holder.client)?;
                let before = holder.user(tx, &place, &pool)?;
                let pairs = || written.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                pool.schema.check_write(client.writer(), Occasion::Update, pairs())?;
                let mut after = before.clone();
                for (name, value) in pairs() {
                    change_attribute(&mut after, name, value);
                }
                pool.schema.check_complete(&after.attributes)?;
                after.modified_at = now;
                user::update(tx, &place, &pool, Some(&before), &after, OnConflict::Refuse)?;
                let canonical = pool.naming.canonical(&after.username);
                let mut sent = Vec::new();
                for (code, id) in &drawn {
                    let changed =
                        before.attributes.get(&code.attribute) != after.attributes.get(&code.attribute);
                    let proved_here = pool.auto_verified.contains(&code.attribute);
                    let Some(delivery) =
                        Delivery::to(&code.attribute, &after.attributes).filter(|_| changed && proved_here)
                    else {
                        continue;
                    };
                    user::put_code(tx, &place, &canonical, &code.attribute, code)?;
                    let letter = Letter {
                        id: id.clone(),
                        reason: "UpdateUserAttribute",
                        delivery: delivery.clone(),
                        username: after.username.clone(),
                        text: code_text(&pool, code.digits()),
                    };
                    letter.queue(tx, &place, now)?;
                    sent.push(delivery);
                }
                Ok::<_, Trouble>(sent)
            })
            .await?;
        Ok(UpdateUserAttributesOutput {
            code_delivery_details_list: Some(sent.iter().map(Delivery::details).collect()),
        })
    }
}
