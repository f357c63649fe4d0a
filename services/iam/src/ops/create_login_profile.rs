//! `CreateLoginProfile`: gives a user a password.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{CreateLoginProfile, CreateLoginProfileInput, CreateLoginProfileOutput, Error},
    entity::Entity,
    login_profiles::{self, LoginProfileRow, login_profile_key},
    rows::UserRow,
    to_the_second,
};

impl Operation<CreateLoginProfile> for Iam {
    fn access(&self, input: &CreateLoginProfileInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:CreateLoginProfile", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<CreateLoginProfile>) -> Result<CreateLoginProfileOutput, Error> {
        let name = login_name(Owner::of_call(call.input.user_name.as_deref(), &call)?)?;
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let input = call.input;
        let policy = self.read(|tx| {
            let user = UserRow::fetch(tx, &scope, &name)?;
            check_free(tx.exists::<LoginProfileRow>(&login_profile_key(&scope, &user))?, &user)?;
            login_profiles::policy(tx, &scope)
        })?;
        let password = input.password.ok_or_else(|| {
            Error::Validation("The request must contain the parameter Password.".to_owned())
        })?;
        let kept = self.derived(policy, password, None).await?;
        let row = LoginProfileRow::new(kept, input.password_reset_required.unwrap_or(false), now);
        let login_profile = self
            .change(move |tx| {
                let user = UserRow::fetch(tx, &scope, &name)?;
                let key = login_profile_key(&scope, &user);
                check_free(tx.exists::<LoginProfileRow>(&key)?, &user)?;
                tx.put(&key, &row)?;
                Ok(row.shown(&user))
            })
            .await?;
        Ok(CreateLoginProfileOutput { login_profile })
    }
}

fn check_free(taken: bool, user: &UserRow) -> Result<(), Error> {
    if !taken {
        return Ok(());
    }
    // AWS: text of EntityAlreadyExists.
    let text = format!("Login Profile for user {} already exists.", user.name);
    Err(Error::entity_already_exists_exception(text))
}

/// The user that an operation on login profiles is about.
// DIVERGES: the root has no password here.
pub(super) fn login_name(owner: Owner) -> Result<String, Error> {
    match owner {
        Owner::User(name) => Ok(name),
        Owner::Root => Err(Error::no_such_entity_exception("Login Profile for User root cannot be found.")),
    }
}
