//! `UpdateUser`: renames or moves a user. It stays the same user: its unique id, keys and policies go with it.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::Scope;
use casemate_store::WriteTx;

use crate::{
    Iam,
    api::{Error, UpdateUser, UpdateUserInput, UpdateUserOutput},
    entity::Entity,
    membership, rename,
    resource::entity_arn,
    rows::{AccessKeyRow, UserRow, access_key_key},
};

impl Operation<UpdateUser> for Iam {
    // AWS: IAM API reference, UpdateUser: the right is needed on the user as it is and as it will be.
    fn access(&self, input: &UpdateUserInput, caller: &Caller) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let found = self.read(|tx| Ok(UserRow::find(tx, &scope, &input.user_name)?))?;
        let (path, kept) =
            found.map_or_else(|| ("/".to_owned(), input.user_name.clone()), |user| (user.path, user.name));
        let path = input.new_path.as_deref().unwrap_or(&path);
        // Names are found in any case; what is not renamed keeps the stored spelling.
        let name = input.new_user_name.as_deref().unwrap_or(&kept);
        let target = entity_arn(&scope, UserRow::NOUN, path, name);
        Ok(self
            .ask_on::<UserRow>("iam:UpdateUser", &input.user_name, caller)?
            .and(Ask::on("iam:UpdateUser", target)))
    }

    async fn run(&self, call: Call<UpdateUser>) -> Result<UpdateUserOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| rename(tx, &scope, &input)).await?;
        Ok(UpdateUserOutput {})
    }
}

fn rename(tx: &mut WriteTx<'_>, scope: &Scope, input: &UpdateUserInput) -> Result<(), Error> {
    // AWS: text of EntityAlreadyExists.
    let taken = |name: &str| format!("User with name {name} already exists.");
    let (name, path) = (input.new_user_name.as_deref(), input.new_path.as_deref());
    let (before, user) = rename::rename::<UserRow>(tx, scope, &input.user_name, name, path, taken)?;
    for id in &user.access_keys {
        if let Some(mut key) = tx.get::<AccessKeyRow>(&access_key_key(id))? {
            key.user = Some(user.name.clone());
            tx.put(&access_key_key(id), &key)?;
        }
    }
    membership::user_renamed(tx, scope, &before.name, &user.name)
}
