//! `AdminListGroupsForUser`: the groups a user is in.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminListGroupsForUser, AdminListGroupsForUserInput, AdminListGroupsForUserOutput, Error},
    groups::Group,
    page::{self, Page},
    pool::{Place, Trouble},
    user, view,
};

impl Operation<AdminListGroupsForUser> for CognitoIdp {
    fn access(&self, input: &AdminListGroupsForUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminListGroupsForUser", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminListGroupsForUser>) -> Result<AdminListGroupsForUserOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let page = Page::of(call.input.limit, call.input.next_token.as_deref())?;
        let groups = self.env.store.read(|tx| {
            let pool = place.pool(tx)?;
            let user = user::must_find(tx, &place, &pool.naming, call.input.username.expose())?;
            let mut groups = Vec::new();
            for name in user::groups_of(tx, &place, &pool.naming.canonical(&user.username))? {
                if page.after.as_ref().is_none_or(|after| name > *after) {
                    groups.extend(tx.get::<Group>(&place.key().text(&name))?);
                }
            }
            Ok::<_, Trouble>(groups)
        })?;
        let (groups, next_token) = page::cut(groups, page.size, |group| group.name.clone());
        let groups = groups.into_iter().map(|group| view::group(group, &place.pool)).collect();
        Ok(AdminListGroupsForUserOutput { groups: Some(groups), next_token })
    }
}
