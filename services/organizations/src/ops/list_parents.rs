//! `ListParents`: the one parent of a unit or account.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListParents, ListParentsInput, ListParentsOutput, Parent},
    page,
};

impl Operation<ListParents> for Organizations {
    fn access(&self, input: &ListParentsInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:ListParents", &[&input.child_id], None, caller)
    }

    async fn run(&self, call: Call<ListParents>) -> Result<ListParentsOutput, Error> {
        let input = &call.input;
        let (parents, next_token) = self.read(call.scope(), |_, organization| {
            let none = || Error::child_not_found_exception("You specified a child that doesn't exist.");
            let id = organization.parent(&input.child_id).ok_or_else(none)?;
            let node = organization.check_parent(id)?;
            let parent = Parent { id: Some(id.to_owned()), r#type: Some(node.as_parent()) };
            page::cut([(id.to_owned(), parent)], input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListParentsOutput { parents: Some(parents), next_token })
    }
}
