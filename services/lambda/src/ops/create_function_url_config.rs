//! `CreateFunctionUrlConfig`: an address of its own for a function or an alias.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::{Arn, lower_alphanumeric};

use crate::{
    Lambda,
    api::{
        CreateFunctionUrlConfig, CreateFunctionUrlConfigInput, CreateFunctionUrlConfigOutput, Error,
        FunctionUrlAuthType,
    },
    ask,
    function_url::{self, FunctionUrl, ID_LENGTH, Mode},
    refusal,
    resource::FunctionRef,
    version,
};

impl Operation<CreateFunctionUrlConfig> for Lambda {
    fn access(&self, input: &CreateFunctionUrlConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![url_ask("lambda:CreateFunctionUrlConfig", &at, Some(input.auth_type), caller)]))
    }

    async fn run(&self, call: Call<CreateFunctionUrlConfig>) -> Result<CreateFunctionUrlConfigOutput, Error> {
        let now = call.now();
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        function_url::check_qualifier(&at)?;
        let (input, _) = call.into_parts();
        let url = FunctionUrl {
            id: lower_alphanumeric(&*self.env.entropy, "lambda.function-url", ID_LENGTH),
            function: at.requested_arn(),
            auth: input.auth_type.into(),
            cors: input.cors.map(Into::into),
            mode: input.invoke_mode.map_or(Mode::Buffered, Into::into),
            created_at: now,
            modified_at: now,
        };
        let shown = url.shown(&self.env.site.endpoint);
        self.env
            .store
            .write(move |tx| {
                if version::resolve(tx, &at, None)?.is_none() {
                    return Err(refusal::function_does_not_exist());
                }
                if tx.exists::<FunctionUrl>(&at.qualified_key())? {
                    // AWS: text as the service words it.
                    return Err(Error::resource_conflict_exception(format!(
                        "Failed to create function url config for [functionArn = {}]. Error message:  \
                         FunctionUrlConfig exists for this Lambda function",
                        url.function
                    )));
                }
                function_url::put(tx, &at, &url)?;
                Ok(())
            })
            .await?;
        Ok(CreateFunctionUrlConfigOutput {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}

/// Asks for an action on a function's URL.
pub(super) fn url_ask(
    action: &'static str,
    at: &FunctionRef,
    auth: Option<FunctionUrlAuthType>,
    caller: &Caller,
) -> Ask {
    let arn: Arn = at.requested_arn();
    let ask = ask::on(action, arn.clone(), caller).with("lambda:FunctionArn", arn.as_str());
    match auth {
        Some(auth) => ask.with("lambda:FunctionUrlAuthType", auth.as_str()),
        None => ask,
    }
}

impl Lambda {
    /// The URL of this function or alias as it is now.
    pub(super) fn function_url(&self, at: &FunctionRef) -> Result<Option<FunctionUrl>, Error> {
        Ok(self.env.store.read(|tx| tx.get::<FunctionUrl>(&at.qualified_key()))?)
    }

    /// Asks for an action on an URL that exists; its auth type is a condition key.
    pub(super) fn existing_url_ask(
        &self,
        action: &'static str,
        at: &FunctionRef,
        caller: &Caller,
    ) -> Result<Ask, Error> {
        let auth = self.function_url(at)?.map(|url| url.auth.shown());
        Ok(url_ask(action, at, auth, caller))
    }
}
