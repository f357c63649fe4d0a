//! `ListUserPools`: the pools of the account in this region.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    CognitoIdp,
    api::{Error, ListUserPools, ListUserPoolsInput, ListUserPoolsOutput, UserPoolDescriptionType},
    page::{self, Page},
    pool::UserPool,
};

impl Operation<ListUserPools> for CognitoIdp {
    fn access(&self, _input: &ListUserPoolsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("cognito-idp:ListUserPools"))
    }

    async fn run(&self, call: Call<ListUserPools>) -> Result<ListUserPoolsOutput, Error> {
        let page = Page::of(Some(call.input.max_results), call.input.next_token.as_deref())?;
        let prefix = Key::of(call.scope());
        let rows = self
            .env
            .store
            .read(|tx| tx.scan::<UserPool>(&prefix, page.cursor(&prefix).as_ref(), page.size + 1))?;
        let (rows, next_token) = page::cut(rows, page.size, |(_, pool)| pool.id.clone());
        let shown = rows.into_iter().map(|(_, pool)| UserPoolDescriptionType {
            id: Some(pool.id),
            name: Some(pool.name),
            lambda_config: Some(crate::api::LambdaConfigType::default()),
            last_modified_date: Some(pool.modified_at),
            creation_date: Some(pool.created_at),
            ..UserPoolDescriptionType::default()
        });
        Ok(ListUserPoolsOutput { user_pools: Some(shown.collect()), next_token })
    }
}
