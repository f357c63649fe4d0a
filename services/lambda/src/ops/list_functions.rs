//! `ListFunctions`: the functions of the caller's account in this region by name, with or without their versions.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::list_versions_by_function::with_version;
use crate::{
    Lambda,
    api::{Error, FunctionVersion, ListFunctions, ListFunctionsInput, ListFunctionsOutput},
    function::Function,
    page::Page,
    resource::functions_key,
    version::Published,
};

/// Functions of one page.
// AWS: "ListFunctions returns a maximum of 50 items in each response, even if you set the number higher."
const PAGE_MAX: usize = 50;

impl Operation<ListFunctions> for Lambda {
    fn access(&self, _input: &ListFunctionsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("lambda:ListFunctions"))
    }

    async fn run(&self, call: Call<ListFunctions>) -> Result<ListFunctionsOutput, Error> {
        let input = &call.input;
        let all = input.function_version == Some(FunctionVersion::All);
        let page = Page::of(functions_key(call.scope()), input.marker.as_deref(), input.max_items, PAGE_MAX)?;
        let found = self.env.store.read(|tx| {
            let mut found = page.scan::<Function>(tx)?;
            if all {
                // A version's key continues its function's: sorted, each function comes before its versions.
                let versions = page.scan::<Published>(tx)?;
                found.extend(versions.into_iter().map(|(key, Published(version))| (key, version)));
                found.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
            }
            Ok::<_, Error>(found)
        })?;
        let (functions, next_marker) = page.cut(found);
        let shown = |function: &Function| if all { with_version(function) } else { function.shown() };
        Ok(ListFunctionsOutput { next_marker, functions: Some(functions.iter().map(shown).collect()) })
    }
}
