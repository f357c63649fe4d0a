//! `ConfirmSignUp`: the code proves the address and opens the account.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{ConfirmSignUp, ConfirmSignUpInput, ConfirmSignUpOutput, Error},
    codes::{self, Limit},
    pool::Trouble,
    refusal::Refusal,
    user::{self, OnConflict, Status},
};

impl Operation<ConfirmSignUp> for CognitoIdp {
    fn access(&self, input: &ConfirmSignUpInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "signing up: the code is the proof; attempts are limited",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<ConfirmSignUp>) -> Result<ConfirmSignUpOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let input = call.input;
        let name = input.username.expose().clone();
        at.client
            .check_secret_hash(&[&name], input.secret_hash.as_ref().map(|hash| hash.expose().as_str()))?;
        let on_conflict = match input.force_alias_creation {
            Some(true) => OnConflict::Take,
            _ => OnConflict::Refuse,
        };
        let sent = input.confirmation_code;
        let settled = self
            .env
            .store
            .write(move |tx| {
                let user = user::find(tx, &at.place, &at.pool.naming, &name)?;
                let canonical = at.pool.naming.canonical(user.as_ref().map_or(&name, |user| &user.username));
                user::count_attempt(tx, &at.place, &canonical, Limit::ConfirmSignUp, at.now)?;
                let hides = at.client.hides_existence();
                let Some(before) = user else {
                    let refusal = if hides { codes::mismatch() } else { unknown() };
                    return Ok(Err(refusal));
                };
                if before.status != Status::Unconfirmed {
                    let refusal = if hides { codes::mismatch() } else { cannot_confirm(before.status) };
                    return Ok(Err(refusal));
                }
                let attribute =
                    match user::answer_code(tx, &at.place, &canonical, user::SIGN_UP, &sent, at.now)? {
                        Ok(attribute) => attribute,
                        Err(refusal) => return Ok(Err(refusal)),
                    };
                let mut after = before.clone();
                after.status = Status::Confirmed;
                after.modified_at = at.now;
                after.attributes.set(&format!("{attribute}_verified"), "true");
                user::update(tx, &at.place, &at.pool, Some(&before), &after, on_conflict)?;
                Ok::<_, Trouble>(Ok(()))
            })
            .await?;
        settled?;
        Ok(ConfirmSignUpOutput { session: None })
    }
}

/// The answer of the code operations to an unknown user, where existence is not hidden.
pub(super) fn unknown() -> Refusal {
    // AWS: recorded.
    Refusal::user_not_found("Username/client id combination not found.")
}

/// The answer to confirming somebody who is not waiting for it.
pub(super) fn cannot_confirm(status: Status) -> Refusal {
    // AWS: as clients show it.
    Refusal::not_authorized(format!("User cannot be confirmed. Current status is {}", status.as_str()))
}
