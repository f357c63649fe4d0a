//! `PutRuntimeManagementConfig`: of `$LATEST` or a version.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, PutRuntimeManagementConfig, PutRuntimeManagementConfigInput, PutRuntimeManagementConfigOutput,
        UpdateRuntimeOn,
    },
    ask, refusal,
    resource::{self, FunctionRef, LATEST},
    runtime_management::RuntimeManagement,
    version::{self, Version},
};

impl Operation<PutRuntimeManagementConfig> for Lambda {
    fn access(&self, input: &PutRuntimeManagementConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:PutRuntimeManagementConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<PutRuntimeManagementConfig>,
    ) -> Result<PutRuntimeManagementConfigOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        check_version(&at)?;
        let update_runtime_on = call.input.update_runtime_on;
        match (update_runtime_on, &call.input.runtime_version_arn) {
            (UpdateRuntimeOn::Manual, None) => {
                // AWS: "required if the runtime update mode is Manual"; the text is ours.
                return Err(Error::invalid_parameter_value_exception(
                    "RuntimeVersionArn is needed with Manual",
                ));
            }
            (UpdateRuntimeOn::Manual, Some(_)) => {
                return Err(refusal::not_here("holding a function on one version of its runtime"));
            }
            (_, Some(_)) => {
                return Err(Error::invalid_parameter_value_exception("RuntimeVersionArn is for Manual only"));
            }
            (UpdateRuntimeOn::Auto | UpdateRuntimeOn::FunctionUpdate, None) => {}
        }
        let function = shown_arn(&at);
        let row = RuntimeManagement { function, update_on: update_runtime_on.as_str().to_owned() };
        let function_arn = row.function.as_str().to_owned();
        self.env
            .store
            .write(move |tx| {
                version::resolve(tx, &at, None)?.ok_or_else(|| refusal::no_function(&at))?;
                tx.put(&at.qualified_key(), &row)?;
                Ok::<_, Error>(())
            })
            .await?;
        Ok(PutRuntimeManagementConfigOutput { update_runtime_on, function_arn, runtime_version_arn: None })
    }
}

/// Aliases have no runtime of their own.
// AWS: "Qualifier: Specify a version of the function. This can be $LATEST or a published version number."
pub(super) fn check_version(at: &FunctionRef) -> Result<(), Error> {
    match at.explicit() {
        Some(qualifier) if Version::parse(qualifier).is_none() => {
            Err(Error::invalid_parameter_value_exception(
                "runtime management is of $LATEST or a version, not of an alias",
            ))
        }
        _ => Ok(()),
    }
}

// AWS: the ARN of these always has a qualifier.
pub(super) fn shown_arn(at: &FunctionRef) -> casemate_names::Arn {
    resource::qualified(&at.arn(), at.explicit().unwrap_or(LATEST))
}
