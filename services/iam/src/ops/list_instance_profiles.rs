//! `ListInstanceProfiles`: the instance profiles under a path.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{Error, ListInstanceProfiles, ListInstanceProfilesInput, ListInstanceProfilesOutput},
    page::{Paging, page_of_rows},
    profiles::{NOUN, ProfileRow},
    resource::entity_arn,
    show::Detail,
};

impl Operation<ListInstanceProfiles> for Iam {
    fn access(&self, input: &ListInstanceProfilesInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: names the resource `instance-profile/` and the path prefix in its error texts.
        let path = input.path_prefix.as_deref().unwrap_or("/");
        Ok(Access::on("iam:ListInstanceProfiles", entity_arn(&self.scope(caller), NOUN, path, "")))
    }

    async fn run(&self, call: Call<ListInstanceProfiles>) -> Result<ListInstanceProfilesOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let below = |row: &ProfileRow| row.path.starts_with(input.path_prefix.as_deref().unwrap_or("/"));
        self.read(|tx| {
            let page = page_of_rows::<ProfileRow>(tx, &Key::of_account(scope), &paging, below)?;
            let shown = page.items.iter().map(|row| row.shown(tx, &self.env, scope, Detail::Listed));
            Ok(ListInstanceProfilesOutput {
                is_truncated: Some(page.is_truncated()),
                instance_profiles: shown.collect::<Result<_, _>>()?,
                marker: page.marker.clone(),
            })
        })
    }
}
