//! `GetTemplateSummary`: what a template needs, without making anything. The CLI asks it for the parameters of a template.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{
        Error, GetTemplateSummary, GetTemplateSummaryInput, GetTemplateSummaryOutput, ParameterDeclaration,
    },
    template::{Parameter, Template},
    wanted::{self, Source},
};

impl Operation<GetTemplateSummary> for CloudFormation {
    fn access(&self, input: &GetTemplateSummaryInput, caller: &Caller) -> Result<Access, Error> {
        Ok(match &input.stack_name {
            Some(name) => self.on_stack("cloudformation:GetTemplateSummary", name, caller),
            None => Access::on_any("cloudformation:GetTemplateSummary"),
        })
    }

    async fn run(&self, call: Call<GetTemplateSummary>) -> Result<GetTemplateSummaryOutput, Error> {
        let input = &call.input;
        wanted::refuse(&[
            ("StackSetName", input.stack_set_name.is_some()),
            ("CallAs", input.call_as.is_some()),
        ])?;
        let text = match &input.stack_name {
            Some(name) if input.template_body.is_none() && input.template_url.is_none() => {
                self.stack(call.scope(), name)?.template
            }
            _ => {
                let (body, url) = (input.template_body.as_ref(), input.template_url.as_ref());
                Source { body, url, previous: None }.read()?.unwrap_or_default()
            }
        };
        let template = Template::parse(&text)?;
        let capabilities = template.capabilities();
        let mut types: Vec<String> =
            template.resources.iter().map(|resource| resource.kind.clone()).collect();
        types.sort();
        types.dedup();
        Ok(GetTemplateSummaryOutput {
            parameters: Some(template.parameters.iter().map(declaration).collect()),
            description: template.description,
            capabilities_reason: (!capabilities.is_empty())
                .then(|| "The template makes identities or uses a transform.".to_owned()),
            capabilities: Some(capabilities),
            resource_types: Some(types),
            version: Some("2010-09-09".to_owned()),
            declared_transforms: Some(template.transforms),
            ..GetTemplateSummaryOutput::default()
        })
    }
}

fn declaration(parameter: &Parameter) -> ParameterDeclaration {
    ParameterDeclaration {
        parameter_key: Some(parameter.name.clone()),
        default_value: parameter.default.clone(),
        parameter_type: Some(parameter.type_name().to_owned()),
        no_echo: Some(parameter.no_echo),
        description: parameter.description.clone(),
        ..ParameterDeclaration::default()
    }
}
