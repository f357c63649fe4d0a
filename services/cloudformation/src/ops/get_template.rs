//! `GetTemplate`: the template a stack was made from, as it was given.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, GetTemplate, GetTemplateInput, GetTemplateOutput, TemplateStage},
};

impl Operation<GetTemplate> for CloudFormation {
    fn access(&self, input: &GetTemplateInput, caller: &Caller) -> Result<Access, Error> {
        let name = input.stack_name.as_deref().unwrap_or("*");
        Ok(self.on_stack("cloudformation:GetTemplate", name, caller))
    }

    async fn run(&self, call: Call<GetTemplate>) -> Result<GetTemplateOutput, Error> {
        let input = &call.input;
        // DIVERGES: only the original is kept; AWS also shows the template after transforms.
        if input.template_stage == Some(TemplateStage::Processed) {
            return Err(Error::Validation("TemplateStage Processed is not supported".to_owned()));
        }
        let body = match (&input.stack_name, &input.change_set_name) {
            (stack, Some(change_set)) => {
                self.change_set(call.scope(), stack.as_deref(), change_set)?.wanted.template
            }
            (Some(stack), None) => Some(self.stack(call.scope(), stack)?.template),
            (None, None) => return Err(Error::Validation("StackName must be specified".to_owned())),
        };
        let stages_available = Some(vec![TemplateStage::Original]);
        Ok(GetTemplateOutput { template_body: body, stages_available })
    }
}
