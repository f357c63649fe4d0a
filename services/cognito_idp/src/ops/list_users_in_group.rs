//! `ListUsersInGroup`: the members of a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, ListUsersInGroup, ListUsersInGroupInput, ListUsersInGroupOutput},
    groups::{Group, Membership},
    page::{self, Page},
    pool::{Place, Trouble},
    user, view,
};

impl Operation<ListUsersInGroup> for CognitoIdp {
    fn access(&self, input: &ListUsersInGroupInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:ListUsersInGroup", &input.user_pool_id))
    }

    async fn run(&self, call: Call<ListUsersInGroup>) -> Result<ListUsersInGroupOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let page = Page::of(call.input.limit, call.input.next_token.as_deref())?;
        let members = self.env.store.read(|tx| {
            place.pool(tx)?;
            Group::of_pool(tx, &place, &call.input.group_name)?;
            let prefix = place.key().text("by-group").text(&call.input.group_name);
            let rows = tx.scan::<Membership>(&prefix, page.cursor(&prefix).as_ref(), page.size + 1)?;
            let mut members = Vec::new();
            for (key, _) in rows {
                let canonical = key.text_at(3).unwrap_or_default();
                let user = user::get(tx, &place, &canonical)?;
                members.push((canonical, user));
            }
            Ok::<_, Trouble>(members)
        })?;
        let (members, next_token) = page::cut(members, page.size, |(canonical, _)| canonical.clone());
        let users =
            members.into_iter().filter_map(|(_, user)| user).map(|user| view::user(&user, None)).collect();
        Ok(ListUsersInGroupOutput { users: Some(users), next_token })
    }
}
