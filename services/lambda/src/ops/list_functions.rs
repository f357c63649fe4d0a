//! `ListFunctions`: the functions of the caller's account in this region, by name.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, FunctionVersion, ListFunctions, ListFunctionsInput, ListFunctionsOutput},
    function::Function,
    resource::functions_key,
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
        let limit = input.max_items.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let all = functions_key(call.scope());
        let after = input.marker.as_deref().filter(|marker| !marker.is_empty()).map(name_of).transpose()?;
        let after = after.map(|name| all.clone().text(&name));
        let mut found =
            self.env.store.read(|tx| tx.scan::<Function>(&all, after.as_ref(), limit.saturating_add(1)))?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(_, last)| URL_SAFE_NO_PAD.encode(&last.name));
        // AWS: `FunctionVersion=ALL` lists published versions too, of which there are none.
        let _ = input.function_version == Some(FunctionVersion::All);
        let functions = found.into_iter().map(|(_, function)| function.shown()).collect();
        Ok(ListFunctionsOutput { next_marker: next, functions: Some(functions) })
    }
}

fn name_of(marker: &str) -> Result<String, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        Error::invalid_parameter_value_exception("The marker is not one that this operation has given.")
    })
}
