//! `UpdateFunctionConfiguration`. Running requests end under the old settings; the next one meets the new.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use super::update_function_code::check_revision;
use crate::{
    Lambda,
    api::{
        Error, UpdateFunctionConfiguration, UpdateFunctionConfigurationInput,
        UpdateFunctionConfigurationOutput,
    },
    ask, configuration,
    function::Function,
    refusal, role,
};

impl Operation<UpdateFunctionConfiguration> for Lambda {
    fn access(&self, input: &UpdateFunctionConfigurationInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        let access =
            Access::Iam(vec![ask::on("lambda:UpdateFunctionConfiguration", at.requested_arn(), caller)]);
        Ok(match &input.role {
            Some(role) => access.and(role::pass(&self.env, role, &at.arn())),
            None => access,
        })
    }

    async fn run(
        &self,
        call: Call<UpdateFunctionConfiguration>,
    ) -> Result<UpdateFunctionConfigurationOutput, Error> {
        let now = call.now();
        let at = self.at(&call.input.function_name, None, call.caller());
        let mut settings = self.latest(&at)?.settings;
        configuration::change(&mut settings, &call.input, self.invoker.driver())?;
        if call.input.role.is_some() {
            role::assumable(&self.env, &settings.role, &at.arn(), now)?;
        }
        let revision_id = uuid(&*self.env.entropy, "lambda.revision");
        let driver = self.invoker.driver().cloned();
        let (input, _) = call.into_parts();
        let changed = self
            .env
            .store
            .write(move |tx| {
                let mut function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                check_revision(input.revision_id.as_deref(), &function)?;
                configuration::change(&mut function.settings, &input, driver.as_ref())?;
                function.modified_at = now;
                function.revision_id.clone_from(&revision_id);
                tx.put(&at.key(), &function)?;
                Ok::<_, Error>(function)
            })
            .await?;
        self.invoker.retire(&changed.arn);
        Ok(changed.shown())
    }
}
