//! `ListVersionsByFunction`: `$LATEST` and the published versions, in the order of their numbers.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, ListVersionsByFunction, ListVersionsByFunctionInput, ListVersionsByFunctionOutput},
    ask,
    function::Function,
    page::Page,
    refusal,
    resource::{self, LATEST},
    version::{Published, Version},
};

/// Versions of one page.
// AWS: "ListVersionsByFunction returns a maximum of 50 items in each response, even if you set the number higher."
const PAGE_MAX: usize = 50;

impl Operation<ListVersionsByFunction> for Lambda {
    fn access(&self, input: &ListVersionsByFunctionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:ListVersionsByFunction", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<ListVersionsByFunction>) -> Result<ListVersionsByFunctionOutput, Error> {
        let input = &call.input;
        let at = self.at(&input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let page = Page::of(at.key(), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let found = self.env.store.read(|tx| {
            let latest = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
            let versions = page.scan::<Published>(tx)?;
            let first = page.after.is_none().then(|| (at.key(), latest));
            let versions = versions.into_iter().map(|(key, Published(version))| (key, version));
            Ok::<_, Error>(first.into_iter().chain(versions).collect::<Vec<_>>())
        })?;
        let (versions, next_marker) = page.cut(found);
        Ok(ListVersionsByFunctionOutput {
            versions: Some(versions.iter().map(with_version).collect()),
            next_marker,
        })
    }
}

/// A version as lists show it.
// AWS: in lists of versions the ARN of `$LATEST` says so.
pub(super) fn with_version(version: &Function) -> crate::api::FunctionConfiguration {
    match version.version {
        Version::Latest => version.shown_as(&resource::qualified(&version.arn, LATEST)),
        Version::Published(_) => version.shown(),
    }
}
