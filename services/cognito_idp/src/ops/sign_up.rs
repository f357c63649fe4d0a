//! `SignUp`: makes a user who still has to confirm her address.

use casemate_kernel::{Access, Call, Caller, Operation, Outbox};

use crate::{
    CognitoIdp,
    api::{Error, SignUp, SignUpInput, SignUpOutput},
    attributes::{Attributes, Occasion},
    codes::{Code, SIGN_UP_LIFE_S},
    delivery::{Delivery, Letter, code_text},
    password_flow::put_credential,
    pool::Trouble,
    refusal::{Kind, Refusal},
    srp_flow::At,
    user::{self, OnConflict, Status, User},
};

impl Operation<SignUp> for CognitoIdp {
    fn access(&self, input: &SignUpInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "signing up: the pool decides whether anyone may",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<SignUp>) -> Result<SignUpOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let input = call.input;
        let name = input.username.expose();
        at.client
            .check_secret_hash(&[name], input.secret_hash.as_ref().map(|hash| hash.expose().as_str()))?;
        if at.pool.admin_only {
            // AWS: as clients show it.
            return Err(Error::not_authorized_exception("SignUp is not permitted for this user pool"));
        }
        let password = input
            .password
            .clone()
            .ok_or_else(|| Refusal::invalid_parameter("Missing required parameter Password"))?;
        at.pool.policy.check(password.expose())?;
        let user = self.new_user(&at, &input)?;
        let exists = taken(&at, name)?;
        let credential = self.derive(&at.place, &user.username, password).await?;
        let delivery = Delivery::of_sign_up(&at.pool, &user.attributes);
        let details = delivery.as_ref().map(Delivery::details);
        let sent = delivery.map(|delivery| {
            let code = Code::draw(&*self.env.entropy, &delivery.attribute, at.now, SIGN_UP_LIFE_S);
            let letter = Letter {
                id: Outbox::new_id(&*self.env.entropy),
                reason: "SignUp",
                delivery,
                username: user.username.clone(),
                text: code_text(&at.pool, code.digits()),
            };
            (code, letter)
        });
        let (user_sub, by_attribute) = (user.sub.clone(), at.pool.naming.by_attribute());
        self.env
            .store
            .write(move |tx| {
                let canonical = at.pool.naming.canonical(&user.username);
                user::insert(tx, &at.place, &at.pool, &user, OnConflict::Refuse, exists.clone())?;
                put_credential(tx, &at.place, &canonical, &credential)?;
                if let Some((code, letter)) = &sent {
                    user::put_code(tx, &at.place, &canonical, user::SIGN_UP, code)?;
                    letter.queue(tx, &at.place, at.now)?;
                }
                Ok::<_, Trouble>(())
            })
            .await
            .map_err(|trouble| alias_as_name(trouble, by_attribute))?;
        Ok(SignUpOutput { user_confirmed: false, code_delivery_details: details, user_sub, session: None })
    }
}

impl CognitoIdp {
    fn new_user(&self, at: &At, input: &SignUpInput) -> Result<User, Error> {
        let name = input.username.expose();
        let sub = self.uuid("cognito.sub");
        let mut attributes = Attributes::default();
        let given: Vec<(String, String)> = input
            .user_attributes
            .iter()
            .flatten()
            .map(|a| (a.name.clone(), a.value.as_ref().map(|v| v.expose().clone()).unwrap_or_default()))
            .collect();
        let pairs = || given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        at.pool.schema.check_write(at.client.writer(), Occasion::Creation, pairs())?;
        for (name, value) in pairs() {
            attributes.set(name, value);
        }
        attributes.set("sub", &sub);
        let username = if at.pool.naming.by_attribute() {
            attributes.set(at.pool.naming.attribute_of(name)?, name);
            sub.clone()
        } else {
            at.pool.naming.check_username(name)?;
            name.clone()
        };
        at.pool.schema.check_complete(&attributes)?;
        for (attribute, flag) in [("email", "email_verified"), ("phone_number", "phone_number_verified")] {
            if attributes.get(attribute).is_some() {
                attributes.set(flag, "false");
            }
        }
        Ok(User {
            username,
            sub,
            status: Status::Unconfirmed,
            enabled: true,
            attributes,
            created_at: at.now,
            modified_at: at.now,
            generation: 0,
            temporary_until: None,
        })
    }
}

/// What is said when the name is taken.
fn taken(at: &At, name: &str) -> Result<Refusal, Error> {
    if at.pool.naming.by_attribute() {
        let attribute = at.pool.naming.attribute_of(name)?;
        // AWS: as clients show it.
        return Ok(Refusal::username_exists(format!(
            "An account with the given {attribute} already exists."
        )));
    }
    // AWS: recorded.
    Ok(Refusal::username_exists("User already exists"))
}

/// Where names are attributes, a taken name is found as a taken alias; elsewhere an alias is just that.
fn alias_as_name(trouble: Trouble, by_attribute: bool) -> Error {
    match trouble {
        Trouble::Refused(refusal) if by_attribute && refusal.kind == Kind::AliasExists => {
            Error::username_exists_exception(refusal.text.replace("with the ", "with the given "))
        }
        other => other.into(),
    }
}
