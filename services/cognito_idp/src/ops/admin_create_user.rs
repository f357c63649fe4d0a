//! `AdminCreateUser`: makes a user with a temporary password, or sends her invitation again.

use casemate_kernel::{Access, Call, Caller, Operation, Outbox};
use casemate_names::{Secret, Timestamp};

use crate::{
    CognitoIdp,
    api::{
        AdminCreateUser, AdminCreateUserInput, AdminCreateUserOutput, DeliveryMediumType, Error,
        MessageActionType,
    },
    attributes::{Attributes, Occasion, Writer},
    delivery::{Delivery, Letter, invitation_text},
    password::Credential,
    password_flow::put_credential,
    pool::{Place, Trouble, UserPool},
    refusal::{Kind, Refusal},
    user::{self, OnConflict, Status, User},
    view,
};

impl Operation<AdminCreateUser> for CognitoIdp {
    fn access(&self, input: &AdminCreateUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminCreateUser", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminCreateUser>) -> Result<AdminCreateUserOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let input = call.input;
        let name = input.username.expose().clone();
        let (pool, existing) = self.env.store.read(|tx| {
            let pool = place.pool(tx)?;
            let existing = user::find(tx, &place, &pool.naming, &name)?;
            Ok::<_, Trouble>((pool, existing))
        })?;
        let action = input.message_action.map(MessageActionType::as_str);
        let password = match &input.temporary_password {
            Some(password) => password.clone(),
            None => pool.policy.generate(&*self.env.entropy),
        };
        pool.policy.check(password.expose())?;
        let again = action == Some("RESEND");
        let user = if again {
            resent(existing.as_ref(), &name)?
        } else {
            if existing.is_some() {
                return Err(taken(&pool).into());
            }
            invited(self.uuid("cognito.sub"), &pool, &input, now)?
        };
        let user = User {
            temporary_until: Some(now.plus_seconds(i64::from(pool.policy.temporary_validity_days) * 86_400)),
            modified_at: now,
            ..user
        };
        let credential = self.derive(&place, &user.username, password.clone()).await?;
        let letter = self.invitation(&pool, &input, &user, &password).filter(|_| action != Some("SUPPRESS"));
        let on_conflict = match input.force_alias_creation {
            Some(true) => OnConflict::Take,
            _ => OnConflict::Refuse,
        };
        let made =
            Invitation { place, pool, user: user.clone(), credential, letter, again, on_conflict, now };
        self.env.store.write(move |tx| made.store(tx)).await?;
        Ok(AdminCreateUserOutput { user: Some(view::user(&user, None)) })
    }
}

/// What is stored of an invitation.
#[derive(Debug, Clone)]
struct Invitation {
    place: Place,
    pool: UserPool,
    user: User,
    credential: Credential,
    letter: Option<Letter>,
    again: bool,
    on_conflict: OnConflict,
    now: Timestamp,
}

impl Invitation {
    fn store(&self, tx: &mut casemate_store::WriteTx<'_>) -> Result<(), Trouble> {
        let canonical = self.pool.naming.canonical(&self.user.username);
        if self.again {
            let current = user::get(tx, &self.place, &canonical)?;
            resent(current.as_ref().filter(|current| current.sub == self.user.sub), &self.user.username)?;
            tx.put(&user::key(&self.place, &canonical), &self.user)?;
        } else {
            let inserted =
                user::insert(tx, &self.place, &self.pool, &self.user, self.on_conflict, taken(&self.pool));
            match inserted {
                Err(Trouble::Refused(refusal))
                    if refusal.kind == Kind::AliasExists && self.pool.naming.by_attribute() =>
                {
                    return Err(taken(&self.pool).into());
                }
                inserted => inserted?,
            }
        }
        put_credential(tx, &self.place, &canonical, &self.credential)?;
        self.letter.as_ref().map_or(Ok(()), |letter| letter.queue(tx, &self.place, self.now))
    }
}

impl CognitoIdp {
    fn invitation(
        &self,
        pool: &UserPool,
        input: &AdminCreateUserInput,
        user: &User,
        password: &Secret<String>,
    ) -> Option<Letter> {
        let media = input.desired_delivery_mediums.clone().unwrap_or_default();
        let wanted = |medium: &str| {
            media.iter().copied().map(DeliveryMediumType::as_str).any(|wanted| wanted == medium)
        };
        // AWS: SMS is the default; here whatever address there is, so that no invitation is lost.
        let any = media.is_empty();
        let delivery = [("phone_number", "SMS"), ("email", "EMAIL")]
            .into_iter()
            .filter(|(_, medium)| any || wanted(medium))
            .find_map(|(attribute, _)| Delivery::to(attribute, &user.attributes))?;
        let shown = if pool.naming.by_attribute() { delivery.address.clone() } else { user.username.clone() };
        Some(Letter {
            id: Outbox::new_id(&*self.env.entropy),
            reason: "AdminCreateUser",
            delivery,
            username: user.username.clone(),
            text: invitation_text(pool, &shown, password),
        })
    }
}

fn invited(
    sub: String,
    pool: &UserPool,
    input: &AdminCreateUserInput,
    now: Timestamp,
) -> Result<User, Refusal> {
    let given: Vec<(String, String)> = input
        .user_attributes
        .iter()
        .flatten()
        .filter(|attribute| attribute.name != "sub")
        .map(|a| (a.name.clone(), a.value.as_ref().map(|v| v.expose().clone()).unwrap_or_default()))
        .collect();
    let pairs = || given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    pool.schema.check_write(Writer::Administrator, Occasion::Creation, pairs())?;
    let mut attributes = Attributes::default();
    for (name, value) in pairs() {
        attributes.set(name, value);
    }
    attributes.set("sub", &sub);
    let name = input.username.expose();
    let username = if pool.naming.by_attribute() {
        attributes.set(pool.naming.attribute_of(name)?, name);
        sub.clone()
    } else {
        pool.naming.check_username(name)?;
        name.clone()
    };
    Ok(User {
        username,
        sub,
        status: Status::ForceChangePassword,
        enabled: true,
        attributes,
        created_at: now,
        modified_at: now,
        generation: 0,
        temporary_until: None,
    })
}

fn resent(existing: Option<&User>, name: &str) -> Result<User, Refusal> {
    let user = existing.ok_or_else(Refusal::no_such_user)?;
    if user.status != Status::ForceChangePassword {
        // AWS: as clients show it.
        return Err(Refusal::unsupported_user_state(format!(
            "Resend not possible. {name} status is not FORCE_CHANGE_PASSWORD"
        )));
    }
    Ok(user.clone())
}

fn taken(pool: &UserPool) -> Refusal {
    // AWS: as clients show them.
    Refusal::username_exists(if pool.naming.by_attribute() {
        "An account with the given email already exists."
    } else {
        "User account already exists"
    })
}
