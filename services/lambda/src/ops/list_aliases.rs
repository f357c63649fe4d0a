//! `ListAliases`: the aliases of a function by name, all or those that lead to one version.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    alias::Alias,
    api::{Error, ListAliases, ListAliasesInput, ListAliasesOutput},
    ask,
    page::Page,
    version::Version,
};

/// Aliases of one page.
// AWS: the operation's model takes up to 10,000; pages hold 50 as those of the other lists.
const PAGE_MAX: usize = 50;

impl Operation<ListAliases> for Lambda {
    fn access(&self, input: &ListAliasesInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:ListAliases", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<ListAliases>) -> Result<ListAliasesOutput, Error> {
        let input = &call.input;
        let at = self.at(&input.function_name, None, call.caller());
        self.latest(&at)?;
        let page = Page::of(at.key(), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let mut found = self.env.store.read(|tx| match &input.function_version {
            None => page.scan::<Alias>(tx),
            Some(_) => Ok(tx.scan::<Alias>(&page.prefix, page.after.as_ref(), usize::MAX)?),
        })?;
        if let Some(version) = &input.function_version {
            let version = Version::parse(version);
            found.retain(|(_, alias)| version.is_some_and(|version| alias.leads_to(version)));
        }
        let (aliases, next_marker) = page.cut(found);
        let aliases = aliases.iter().map(|alias| alias.shown(&at)).collect();
        Ok(ListAliasesOutput { next_marker, aliases: Some(aliases) })
    }
}
