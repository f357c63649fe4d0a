//! `ListChildren`: ids of the units or accounts directly below a root or unit.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Child, Error, ListChildren, ListChildrenInput, ListChildrenOutput},
    page,
};

impl Operation<ListChildren> for Organizations {
    fn access(&self, input: &ListChildrenInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:ListChildren", &[&input.parent_id], None, caller)
    }

    async fn run(&self, call: Call<ListChildren>) -> Result<ListChildrenOutput, Error> {
        let input = &call.input;
        let (children, next_token) = self.read(call.scope(), |_, organization| {
            organization.check_parent(&input.parent_id)?;
            let ids = organization.children(&input.parent_id, input.child_type);
            let all = ids
                .into_iter()
                .map(|id| (id.clone(), Child { id: Some(id.clone()), r#type: Some(input.child_type) }));
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListChildrenOutput { children: Some(children), next_token })
    }
}
