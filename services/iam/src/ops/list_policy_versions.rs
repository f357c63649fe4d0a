//! `ListPolicyVersions`: the versions of a managed policy, newest first.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListPolicyVersions, ListPolicyVersionsInput, ListPolicyVersionsOutput},
    page::{Paging, page_of},
    show::AnyPolicy,
};

impl Operation<ListPolicyVersions> for Iam {
    fn access(&self, input: &ListPolicyVersionsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:ListPolicyVersions", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<ListPolicyVersions>) -> Result<ListPolicyVersionsOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let policy = self.read(|tx| AnyPolicy::fetch(tx, call.scope(), &input.policy_arn))?;
        let versions = policy.versions().into_iter();
        let page =
            page_of(versions.map(|v| (v.version_id.clone().unwrap_or_default(), v)).collect(), &paging)?;
        Ok(ListPolicyVersionsOutput {
            is_truncated: Some(page.is_truncated()),
            versions: Some(page.items),
            marker: page.marker,
        })
    }
}
