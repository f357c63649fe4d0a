//! `ValidateTemplate`: is a template well formed, and what does it need?

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, TemplateParameter, ValidateTemplate, ValidateTemplateInput, ValidateTemplateOutput},
    template::Template,
    wanted::Source,
};

impl Operation<ValidateTemplate> for CloudFormation {
    fn access(&self, _input: &ValidateTemplateInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("cloudformation:ValidateTemplate"))
    }

    async fn run(&self, call: Call<ValidateTemplate>) -> Result<ValidateTemplateOutput, Error> {
        let input = &call.input;
        let source =
            Source { body: input.template_body.as_ref(), url: input.template_url.as_ref(), previous: None };
        let template = Template::parse(&source.read()?.unwrap_or_default())?;
        let capabilities = template.capabilities();
        let parameters = template.parameters.iter().map(|parameter| TemplateParameter {
            parameter_key: Some(parameter.name.clone()),
            default_value: parameter.default.clone(),
            no_echo: Some(parameter.no_echo),
            description: parameter.description.clone(),
        });
        Ok(ValidateTemplateOutput {
            parameters: Some(parameters.collect()),
            description: template.description.clone(),
            capabilities_reason: (!capabilities.is_empty())
                .then(|| "The template makes identities or uses a transform.".to_owned()),
            capabilities: Some(capabilities),
            declared_transforms: Some(template.transforms),
        })
    }
}
