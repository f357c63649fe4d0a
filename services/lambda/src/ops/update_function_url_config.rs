//! `UpdateFunctionUrlConfig`: members that are not there stay as they are.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::create_function_url_config::url_ask;
use crate::{
    Lambda,
    api::{Error, UpdateFunctionUrlConfig, UpdateFunctionUrlConfigInput, UpdateFunctionUrlConfigOutput},
    function_url::{self, FunctionUrl},
    refusal,
};

impl Operation<UpdateFunctionUrlConfig> for Lambda {
    fn access(&self, input: &UpdateFunctionUrlConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        // A new auth type must be allowed as well as the change of the one that is there.
        let existing = self.existing_url_ask("lambda:UpdateFunctionUrlConfig", &at, caller)?;
        Ok(Access::Iam(match input.auth_type {
            None => vec![existing],
            Some(auth) => {
                vec![existing, url_ask("lambda:UpdateFunctionUrlConfig", &at, Some(auth), caller)]
            }
        }))
    }

    async fn run(&self, call: Call<UpdateFunctionUrlConfig>) -> Result<UpdateFunctionUrlConfigOutput, Error> {
        let now = call.now();
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        function_url::check_qualifier(&at)?;
        let (input, _) = call.into_parts();
        let changed = self
            .env
            .store
            .write(move |tx| {
                let mut url = tx.get::<FunctionUrl>(&at.qualified_key())?.ok_or_else(refusal::no_resource)?;
                if let Some(auth) = input.auth_type {
                    url.auth = auth.into();
                }
                if let Some(cors) = input.cors.clone() {
                    url.cors = Some(cors.into());
                }
                if let Some(mode) = input.invoke_mode {
                    url.mode = mode.into();
                }
                url.modified_at = now;
                function_url::put(tx, &at, &url)?;
                Ok::<_, Error>(url)
            })
            .await?;
        let shown = changed.shown(&self.env.site.endpoint);
        Ok(UpdateFunctionUrlConfigOutput {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            last_modified_time: shown.last_modified_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}
