//! A template's resources as they are written, SAM expanded, nothing settled: for tools that look at templates without a
//! stack. References stay what they are (`{"Ref": …}`, `{"Fn::GetAtt": …}`).

use serde_json::Value as Json;

use crate::{intrinsic::Facts, sam, template::Template};

/// One resource.
#[derive(Debug, Clone)]
pub struct Outlined {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type; never one of SAM's.
    pub kind: String,
    /// Where it stands, from 1.
    pub line: usize,
    /// Its properties.
    pub properties: Json,
}

/// Reads a template. The error is a sentence for people.
pub fn resources(text: &str) -> Result<Vec<Outlined>, String> {
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    let template = sam::expand(template, &Facts::default(), "stack").map_err(|error| error.to_string())?;
    let outlined = template.resources.iter().map(|resource| Outlined {
        logical_id: resource.logical_id.clone(),
        kind: resource.kind.clone(),
        line: usize::try_from(resource.line).unwrap_or(1),
        properties: resource.properties.to_json(),
    });
    Ok(outlined.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_becomes_a_function_and_its_role_with_references_as_written() {
        let text = "Transform: AWS::Serverless-2016-10-31\nResources:\n  Table:\n    Type: AWS::Serverless::SimpleTable\n  Hello:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: python3.12\n      Handler: app.handler\n      CodeUri: s3://bucket/key\n      Policies:\n        - Version: '2012-10-17'\n          Statement:\n            - Effect: Allow\n              Action: dynamodb:*\n              Resource: !GetAtt Table.Arn\n";
        let made = resources(text).unwrap();
        let role = made.iter().find(|resource| resource.kind == "AWS::IAM::Role").unwrap();
        // The first inline policy is the one for the function's own log group.
        let inline = &role.properties["Policies"][1]["PolicyDocument"]["Statement"][0];
        assert_eq!(inline["Resource"], serde_json::json!({"Fn::GetAtt": ["Table", "Arn"]}));
        assert_eq!(role.line, 5);
    }

    #[test]
    fn what_is_no_template_is_an_error() {
        assert!(resources("a: b").is_err());
        assert!(resources("{").is_err());
    }
}
