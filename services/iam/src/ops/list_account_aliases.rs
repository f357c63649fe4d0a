//! `ListAccountAliases`: the account's alias, if it has one.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam, account,
    api::{Error, ListAccountAliases, ListAccountAliasesInput, ListAccountAliasesOutput},
    page::{Paging, page_of},
};

impl Operation<ListAccountAliases> for Iam {
    fn access(&self, _input: &ListAccountAliasesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:ListAccountAliases"))
    }

    async fn run(&self, call: Call<ListAccountAliases>) -> Result<ListAccountAliasesOutput, Error> {
        let paging = Paging::new(call.input.marker.as_deref(), call.input.max_items)?;
        let alias = self.read(|tx| account::alias(tx, call.scope()))?;
        let page = page_of(alias.into_iter().map(|alias| (alias.clone(), alias)).collect(), &paging)?;
        Ok(ListAccountAliasesOutput {
            is_truncated: Some(page.is_truncated()),
            account_aliases: page.items,
            marker: page.marker,
        })
    }
}
