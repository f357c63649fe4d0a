//! `GetUser`: shows a user, without a name the caller itself.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::{self, Owner},
    api::{Error, GetUser, GetUserInput, GetUserOutput, User},
    entity::Entity,
    rows::UserRow,
    show::{self, Detail},
};

impl Operation<GetUser> for Iam {
    fn access(&self, input: &GetUserInput, caller: &Caller) -> Result<Access, Error> {
        // Callers that are neither user nor root are refused by `run`.
        self.ask_on_owner("iam:GetUser", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<GetUser>) -> Result<GetUserOutput, Error> {
        let scope = call.scope();
        let user = match Owner::of_call(call.input.user_name.as_deref(), &call)? {
            Owner::User(name) => {
                self.read(|tx| Ok(show::user(&UserRow::fetch(tx, scope, &name)?, scope, Detail::Full)))?
            }
            // DIVERGES: AWS leaves the name out, and tells when the account was made; here it is the root's first key.
            Owner::Root => User {
                user_id: scope.account.as_str().to_owned(),
                arn: call.caller().arn_text(),
                create_date: self.read(|tx| {
                    let ids = Owner::Root.key_ids(tx, scope)?.into_iter();
                    let keys = ids.map(|id| Ok(access_keys::fetch(tx, scope, &Owner::Root, &id)?.created_at));
                    Ok(keys.collect::<Result<Vec<_>, Error>>()?.into_iter().min().unwrap_or_default())
                })?,
                ..User::default()
            },
        };
        Ok(GetUserOutput { user })
    }
}
