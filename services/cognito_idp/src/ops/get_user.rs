//! `GetUser`: the bearer of an access token, as far as the token's client may read.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    CognitoIdp,
    api::{Error, GetUser, GetUserInput, GetUserOutput},
    client::Client,
    pool::Trouble,
    view,
};

impl Operation<GetUser> for CognitoIdp {
    fn access(&self, input: &GetUserInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(&self, call: Call<GetUser>) -> Result<GetUserOutput, Error> {
        let holder = Self::bearer(call.caller())?;
        let place = self.place_of(&holder);
        let (user, client) = self.env.store.read(|tx| {
            let pool = place.pool(tx)?;
            Ok::<_, Trouble>((holder.user(tx, &place, &pool)?, Client::of_pool(tx, &place, &holder.client)?))
        })?;
        Ok(GetUserOutput {
            user_attributes: view::pairs(client.readable(&user.attributes)),
            username: Secret::new(user.username),
            mfa_options: None,
            preferred_mfa_setting: None,
            user_mfa_setting_list: None,
        })
    }
}
