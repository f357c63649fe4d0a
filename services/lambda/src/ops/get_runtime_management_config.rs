//! `GetRuntimeManagementConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::put_runtime_management_config::{check_version, shown_arn};
use crate::{
    Lambda,
    api::{
        Error, GetRuntimeManagementConfig, GetRuntimeManagementConfigInput, GetRuntimeManagementConfigOutput,
        UpdateRuntimeOn,
    },
    ask,
    runtime_management::RuntimeManagement,
};

impl Operation<GetRuntimeManagementConfig> for Lambda {
    fn access(&self, input: &GetRuntimeManagementConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetRuntimeManagementConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<GetRuntimeManagementConfig>,
    ) -> Result<GetRuntimeManagementConfigOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        check_version(&at)?;
        self.function(&at)?;
        let found = self.env.store.read(|tx| tx.get::<RuntimeManagement>(&at.qualified_key()))?;
        // AWS: Auto where nothing was said.
        let mode =
            found.and_then(|row| UpdateRuntimeOn::parse(&row.update_on)).unwrap_or(UpdateRuntimeOn::Auto);
        Ok(GetRuntimeManagementConfigOutput {
            update_runtime_on: Some(mode),
            function_arn: Some(shown_arn(&at).as_str().to_owned()),
            runtime_version_arn: None,
        })
    }
}
