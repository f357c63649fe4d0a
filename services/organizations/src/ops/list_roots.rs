//! `ListRoots`: the one root.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListRoots, ListRootsInput, ListRootsOutput},
    page, show,
};

impl Operation<ListRoots> for Organizations {
    fn access(&self, _input: &ListRootsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:ListRoots"))
    }

    async fn run(&self, call: Call<ListRoots>) -> Result<ListRootsOutput, Error> {
        let input = &call.input;
        let (shown, next_token) = self.read(call.scope(), |_, organization| {
            let root = (organization.root.clone(), show::root(organization));
            page::cut([root], input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListRootsOutput { roots: Some(shown), next_token })
    }
}
