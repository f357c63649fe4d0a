//! `GetGroup`: shows a group and, by the page, who is in it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetGroup, GetGroupInput, GetGroupOutput},
    entity::Entity,
    membership,
    page::Paging,
    rows::GroupRow,
    show::{self, Detail},
};

impl Operation<GetGroup> for Iam {
    fn access(&self, input: &GetGroupInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:GetGroup", &input.group_name, caller)
    }

    async fn run(&self, call: Call<GetGroup>) -> Result<GetGroupOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let (group, page) = self.read(|tx| {
            let group = GroupRow::fetch(tx, scope, &input.group_name)?;
            let page = membership::user_page(tx, scope, &group, &paging)?;
            Ok((group, page))
        })?;
        Ok(GetGroupOutput {
            group: show::group(&group, scope),
            is_truncated: Some(page.is_truncated()),
            users: page.items.iter().map(|user| show::user(user, scope, Detail::Listed)).collect(),
            marker: page.marker,
        })
    }
}
