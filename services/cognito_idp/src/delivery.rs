//! Where codes go, and what the message says. Messages are put into the outbox in the transaction that makes their code valid.

use casemate_kernel::{Message, Outbox};
use casemate_names::{Secret, Timestamp};
use casemate_store::{Key, WriteTx};

use crate::{
    api::{CodeDeliveryDetailsType, DeliveryMediumType},
    attributes::Attributes,
    mask,
    pool::{Place, Trouble, UserPool},
};

/// One address of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `email` or `phone_number`.
    pub attribute: String,
    /// The address itself.
    pub address: String,
}

impl Delivery {
    /// To this attribute, if the user has it.
    pub fn to(attribute: &str, attributes: &Attributes) -> Option<Self> {
        let address = attributes.get(attribute)?.to_owned();
        Some(Self { attribute: attribute.to_owned(), address })
    }

    /// Where a sign-up code goes.
    ///
    /// AWS: with both attributes verified automatically and present, the telephone wins.
    pub fn of_sign_up(pool: &UserPool, attributes: &Attributes) -> Option<Self> {
        ["phone_number", "email"]
            .into_iter()
            .filter(|attribute| pool.auto_verified.iter().any(|auto| auto == attribute))
            .find_map(|attribute| Self::to(attribute, attributes))
    }

    /// Where a password code goes: the first verified address by the pool's recovery setting.
    pub fn of_recovery(pool: &UserPool, attributes: &Attributes) -> Option<Self> {
        let default = ["verified_phone_number".to_owned(), "verified_email".to_owned()];
        let order = if pool.recovery.is_empty() { default.as_slice() } else { &pool.recovery };
        order
            .iter()
            .filter_map(|mechanism| mechanism.strip_prefix("verified_"))
            .filter(|attribute| attributes.is_true(&format!("{attribute}_verified")))
            .find_map(|attribute| Self::to(attribute, attributes))
    }

    /// Where a simulated code appears to go: like a pool's users' addresses, and the same on every request.
    pub fn simulated(name: &str, pool: &UserPool) -> Self {
        if crate::attributes::is_phone(name) {
            return Self { attribute: "phone_number".to_owned(), address: name.to_owned() };
        }
        let by_phone = pool.auto_verified == ["phone_number"];
        if by_phone {
            return Self { attribute: "phone_number".to_owned(), address: "+00000000000".to_owned() };
        }
        let local = name.chars().next().unwrap_or('u');
        let domain = name.split_once('@').and_then(|(_, domain)| domain.chars().next()).unwrap_or('e');
        Self { attribute: "email".to_owned(), address: format!("{local}@{domain}") }
    }

    fn medium(&self) -> &'static str {
        if self.attribute == "email" { "EMAIL" } else { "SMS" }
    }

    /// What the caller is told of it.
    pub fn details(&self) -> CodeDeliveryDetailsType {
        CodeDeliveryDetailsType {
            destination: Some(mask::destination(&self.address)),
            delivery_medium: DeliveryMediumType::parse(self.medium()),
            attribute_name: Some(self.attribute.clone()),
        }
    }
}

/// A message about to be queued. `id` is drawn outside the transaction.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The message's id.
    pub id: String,
    /// Why: `SignUp`, `ResendCode`, `ForgotPassword`, `AdminCreateUser`, `UpdateUserAttribute`, `VerifyUserAttribute`.
    pub reason: &'static str,
    /// Where to.
    pub delivery: Delivery,
    /// The recipient.
    pub username: String,
    /// What it says, code included.
    pub text: Secret<String>,
}

impl Letter {
    /// Puts it into the outbox.
    pub fn queue(&self, tx: &mut WriteTx<'_>, place: &Place, now: Timestamp) -> Result<(), Trouble> {
        let message = Message {
            source: place.pool.clone(),
            reason: self.reason.to_owned(),
            medium: self.delivery.medium().to_owned(),
            destination: self.delivery.address.clone(),
            username: self.username.clone(),
            text: self.text.clone(),
            queued_at: now,
        };
        Outbox::queue(tx, &place.scope, &self.id, &message)?;
        Ok(())
    }
}

/// The reading that [`Letter::queue`] does, for a message that nobody is sent: its time grows with the outbox, and must not tell
/// a known name from an unknown one.
pub fn rehearse(tx: &WriteTx<'_>, place: &Place) -> Result<(), Trouble> {
    let _waiting = tx.scan::<Message>(&Key::of(&place.scope), None, OUTBOX_MAX)?;
    Ok(())
}

/// Messages the kernel's outbox keeps for an account.
const OUTBOX_MAX: usize = 1_000;

/// The text around a confirmation code.
pub fn code_text(pool: &UserPool, code: &Secret<String>) -> Secret<String> {
    let template = pool.verification_message.as_deref().filter(|text| text.contains("{####}"));
    // AWS: the default text of new pools.
    Secret::new(template.unwrap_or("Your confirmation code is {####}").replace("{####}", code.expose()))
}

/// The text around a temporary password.
pub fn invitation_text(pool: &UserPool, username: &str, password: &Secret<String>) -> Secret<String> {
    let template = pool.invitation_message.as_deref().filter(|text| text.contains("{####}"));
    // AWS: the default text of new pools.
    let text = template.unwrap_or("Your username is {username} and temporary password is {####}.");
    Secret::new(text.replace("{username}", username).replace("{####}", password.expose()))
}
