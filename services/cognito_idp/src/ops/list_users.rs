//! `ListUsers`: the users of a pool, all or those a filter admits.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, ListUsers, ListUsersInput, ListUsersOutput},
    filter::Filter,
    page::{self, Page},
    pool::{Place, Trouble},
    user::User,
    view,
};

/// Rows read at a time while looking for users a filter admits.
const SCANNED: usize = 500;

impl Operation<ListUsers> for CognitoIdp {
    fn access(&self, input: &ListUsersInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:ListUsers", &input.user_pool_id))
    }

    async fn run(&self, call: Call<ListUsers>) -> Result<ListUsersOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let input = call.input;
        let page = Page::of(input.limit, input.pagination_token.as_deref())?;
        let filter = Filter::parse(input.filter.as_deref().unwrap_or_default())?;
        let (rows, pool) = self.env.store.read(|tx| {
            let pool = place.pool(tx)?;
            let prefix = place.key();
            let (mut cursor, mut found) = (page.cursor(&prefix), Vec::new());
            while found.len() <= page.size {
                let rows = tx.scan::<User>(&prefix, cursor.as_ref(), SCANNED)?;
                let last = rows.len() < SCANNED;
                cursor = rows.last().map(|(key, _)| key.clone());
                found.extend(
                    rows.into_iter().map(|(_, user)| user).filter(|user| admits(filter.as_ref(), user)),
                );
                if last {
                    break;
                }
            }
            found.truncate(page.size + 1);
            Ok::<_, Trouble>((found, pool))
        })?;
        let (users, pagination_token) =
            page::cut(rows, page.size, |user| pool.naming.canonical(&user.username));
        let only = input.attributes_to_get.as_deref();
        Ok(ListUsersOutput {
            users: Some(users.iter().map(|user| view::user(user, only)).collect()),
            pagination_token,
        })
    }
}

fn admits(filter: Option<&Filter>, user: &User) -> bool {
    filter.is_none_or(|filter| match filter.attribute {
        "username" => filter.admits(Some(&user.username)),
        "cognito:user_status" => filter.admits(Some(user.status.as_str())),
        // AWS: here `status` means enabled or disabled.
        "status" => filter.admits(Some(if user.enabled { "Enabled" } else { "Disabled" })),
        attribute => filter.admits(user.attributes.get(attribute)),
    })
}
