//! `ListGroups`: the groups under a path.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{Error, ListGroups, ListGroupsInput, ListGroupsOutput},
    entity::Entity,
    page::{Paging, page_of_rows},
    resource::entity_arn,
    rows::GroupRow,
    show,
};

impl Operation<ListGroups> for Iam {
    fn access(&self, input: &ListGroupsInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: names the resource `group/` and the path prefix in its error texts, and evaluates against it.
        let path = input.path_prefix.as_deref().unwrap_or("/");
        Ok(Access::on("iam:ListGroups", entity_arn(&self.scope(caller), GroupRow::NOUN, path, "")))
    }

    async fn run(&self, call: Call<ListGroups>) -> Result<ListGroupsOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let below = |group: &GroupRow| group.path.starts_with(input.path_prefix.as_deref().unwrap_or("/"));
        let page = self.read(|tx| page_of_rows::<GroupRow>(tx, &Key::of_account(scope), &paging, below))?;
        Ok(ListGroupsOutput {
            is_truncated: Some(page.is_truncated()),
            groups: page.items.iter().map(|group| show::group(group, scope)).collect(),
            marker: page.marker,
        })
    }
}
