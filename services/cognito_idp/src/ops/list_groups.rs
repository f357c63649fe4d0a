//! `ListGroups`: the groups of a pool.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, ListGroups, ListGroupsInput, ListGroupsOutput},
    groups::Group,
    page::{self, Page},
    pool::{Place, Trouble},
    view,
};

impl Operation<ListGroups> for CognitoIdp {
    fn access(&self, input: &ListGroupsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:ListGroups", &input.user_pool_id))
    }

    async fn run(&self, call: Call<ListGroups>) -> Result<ListGroupsOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let page = Page::of(call.input.limit, call.input.next_token.as_deref())?;
        let rows = self.env.store.read(|tx| {
            place.pool(tx)?;
            let prefix = place.key();
            Ok::<_, Trouble>(tx.scan::<Group>(&prefix, page.cursor(&prefix).as_ref(), page.size + 1)?)
        })?;
        let (rows, next_token) = page::cut(rows, page.size, |(_, group)| group.name.clone());
        let groups = rows.into_iter().map(|(_, group)| view::group(group, &place.pool)).collect();
        Ok(ListGroupsOutput { groups: Some(groups), next_token })
    }
}
