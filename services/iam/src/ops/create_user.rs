//! `CreateUser`: makes a user with nothing attached.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{CreateUser, CreateUserInput, CreateUserOutput, Error},
    entity::Entity,
    holder::{self, Holder},
    resource::entity_arn,
    rows::UserRow,
    show::{self, Detail},
    tags, to_the_second,
};

/// Users per account.
// AWS: IAM quotas, "Users in an account".
pub(crate) const USERS_MAX: usize = 5000;

impl Operation<CreateUser> for Iam {
    fn access(&self, input: &CreateUserInput, caller: &Caller) -> Result<Access, Error> {
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entity_arn(&self.scope(caller), UserRow::NOUN, path, &input.user_name);
        let mut access = Access::on("iam:CreateUser", arn);
        if let Some(boundary) = &input.permissions_boundary {
            access = access.with("iam:PermissionsBoundary", boundary.clone());
        }
        Ok(tags::asked_with(access, input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreateUser>) -> Result<CreateUserOutput, Error> {
        let scope = call.scope().clone();
        let user = UserRow {
            path: call.input.path.clone().unwrap_or_else(|| "/".to_owned()),
            unique_id: self.unique_id("AIDA"),
            created_at: to_the_second(call.now()),
            holder: Holder {
                boundary: call.input.permissions_boundary.clone(),
                tags: tags::taken(call.input.tags.as_deref())?,
                ..Holder::default()
            },
            access_keys: Vec::new(),
            name: call.input.user_name,
        };
        let shown = show::user(&user, &scope, Detail::Full);
        let env = self.env.clone();
        self.change(move |tx| {
            if UserRow::find(tx, &scope, &user.name)?.is_some() {
                // AWS: text of EntityAlreadyExists.
                let text = format!("User with name {} already exists.", user.name);
                return Err(Error::entity_already_exists_exception(text));
            }
            if tx.keys::<UserRow>(&Key::of_account(&scope), None, USERS_MAX)?.len() >= USERS_MAX {
                let text = format!("Cannot exceed quota for UsersPerAccount: {USERS_MAX}");
                return Err(Error::limit_exceeded_exception(text));
            }
            if let Some(boundary) = &user.holder.boundary {
                holder::check_usable(tx, &env, &scope, boundary)?;
            }
            holder::note_boundary(tx, &scope, &user)?;
            user.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(CreateUserOutput { user: Some(shown) })
    }
}
