//! `GetAccountAuthorizationDetails`: every user, group, role and managed policy of the account with what it holds.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, GetAccountAuthorizationDetails, GetAccountAuthorizationDetailsInput,
        GetAccountAuthorizationDetailsOutput,
    },
    details::{self, Entry},
    page::{Paging, page_of},
};

impl Operation<GetAccountAuthorizationDetails> for Iam {
    fn access(
        &self,
        _input: &GetAccountAuthorizationDetailsInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetAccountAuthorizationDetails"))
    }

    async fn run(
        &self,
        call: Call<GetAccountAuthorizationDetails>,
    ) -> Result<GetAccountAuthorizationDetailsOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let (mut users, mut groups, mut roles, mut policies) = (vec![], vec![], vec![], vec![]);
        let page = self.read(|tx| {
            let page = page_of(details::entries(tx, scope, input.filter.as_deref())?, &paging)?;
            for entry in &page.items {
                match entry {
                    Entry::User(name) => users.push(details::user(tx, scope, name)?),
                    Entry::Group(name) => groups.push(details::group(tx, scope, name)?),
                    Entry::Role(name) => roles.push(details::role(tx, &self.env, scope, name)?),
                    Entry::Policy(arn) => policies.push(details::policy(tx, scope, arn)?),
                }
            }
            Ok(page)
        })?;
        Ok(GetAccountAuthorizationDetailsOutput {
            is_truncated: Some(page.is_truncated()),
            user_detail_list: Some(users),
            group_detail_list: Some(groups),
            role_detail_list: Some(roles),
            policies: Some(policies),
            marker: page.marker,
        })
    }
}
