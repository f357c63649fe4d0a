//! `GetLoginProfile`: whether a user has a password, and since when.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::create_login_profile::login_name;
use crate::{
    Iam,
    access_keys::Owner,
    api::{Error, GetLoginProfile, GetLoginProfileInput, GetLoginProfileOutput},
    entity::Entity,
    login_profiles::LoginProfileRow,
    rows::UserRow,
};

impl Operation<GetLoginProfile> for Iam {
    fn access(&self, input: &GetLoginProfileInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:GetLoginProfile", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<GetLoginProfile>) -> Result<GetLoginProfileOutput, Error> {
        let name = login_name(Owner::of_call(call.input.user_name.as_deref(), &call)?)?;
        let scope = call.scope();
        let login_profile = self.read(|tx| {
            let user = UserRow::fetch(tx, scope, &name)?;
            Ok(LoginProfileRow::fetch(tx, scope, &user)?.shown(&user))
        })?;
        Ok(GetLoginProfileOutput { login_profile })
    }
}
