//! The minimal policies of a role as a patch for the template that made it. Reads the template, writes nothing.

use std::path::Path;

use casemate_cloudformation::api;
use casemate_kernel::OperationModel;
use casemate_minimise::{
    Document,
    sam::{Place, Shape},
    template::{Target, rewrite, unified},
};
use casemate_schema::Document as Input;

use super::{CliError, client::Client, output, stack, xml::Element};

/// Bytes of a template that are read.
// AWS: CloudFormation quotas, "Template body size in an Amazon S3 object": 1 MB.
const TEMPLATE_BYTES_MAX: u64 = 1_048_576;

/// What is to be patched.
#[derive(Debug)]
pub(crate) struct SamPatch<'a> {
    pub(crate) template: &'a Path,
    /// The role in the template, if the user knows better than the stack.
    pub(crate) resource: Option<&'a str>,
    pub(crate) arn: &'a str,
}

/// A role as its stack knows it.
#[derive(Debug)]
struct Deployed {
    logical_id: String,
    /// Physical id → logical id.
    tables: Vec<(String, String)>,
}

impl SamPatch<'_> {
    /// Prints the patch; nothing if the template has these policies already.
    pub(crate) async fn print(
        &self,
        client: &Client,
        documents: &[Document],
        mut place: Place,
    ) -> Result<(), CliError> {
        let shown = self.template.display();
        let size = std::fs::metadata(self.template).map_err(|error| format!("{shown}: {error}"))?.len();
        if size > TEMPLATE_BYTES_MAX {
            return Err(format!("{shown} is larger than {TEMPLATE_BYTES_MAX} bytes").into());
        }
        let old = std::fs::read_to_string(self.template).map_err(|error| format!("{shown}: {error}"))?;
        let path = path_in_patch(self.template)?;
        let name = self.arn.rsplit('/').next().unwrap_or_default();
        let deployed = deployed(client, name).await;
        let logical_id = match (self.resource, &deployed) {
            (Some(resource), _) => resource,
            (None, Ok(Some(deployed))) => &deployed.logical_id,
            (None, Ok(None)) => {
                return Err(format!(
                    "no stack made the role {name}: say by --resource what it is in {shown}"
                )
                .into());
            }
            (None, Err(error)) => {
                return Err(format!("which stack made the role {name} is not known ({error}): say by --resource what it is in {shown}").into());
            }
        };
        if let Ok(Some(deployed)) = &deployed {
            place.resources = deployed.tables.iter().cloned().collect();
        }
        let new = rewrite(&old, Target { logical_id, name }, documents, &place)
            .map_err(|why| format!("{shown} is left as it is: {why}"))?;
        if new.shape == Shape::Function {
            // AWS: SAM developer guide, AWS::Serverless::Function, Policies: they are appended to the role's default ones.
            output::progress(
                "the role of a function also gets AWSLambdaBasicExecutionRole and what its event sources, tracing and network need: SAM adds these policies itself, beside those in the patch",
            );
        }
        let patch = unified(&path, &old, &new.text);
        if patch.is_empty() {
            output::progress(&format!("{shown} has these policies already"));
        } else {
            // The patch ends its own lines.
            output::line(patch.trim_end_matches('\n'));
        }
        Ok(())
    }
}

/// Looks for the stack that made a role.
async fn deployed(client: &Client, role: &str) -> Result<Option<Deployed>, CliError> {
    let mut input = Input::empty();
    loop {
        let page = stack::call(client, api::DescribeStacks::META, &input).await?;
        if let Some(found) = deployed_by(client, page.members("Stacks"), role).await? {
            return Ok(Some(found));
        }
        let Some(token) = page.find("NextToken").filter(|token| !token.text.is_empty()) else {
            return Ok(None);
        };
        input = Input::structure([("NextToken", token.text.as_str().into())]);
    }
}

async fn deployed_by(client: &Client, stacks: &[Element], role: &str) -> Result<Option<Deployed>, CliError> {
    for made in stacks {
        let input = Input::structure([("StackName", made.text_of("StackName").into())]);
        let answer = stack::call(client, api::DescribeStackResources::META, &input).await?;
        let resources = answer.members("StackResources");
        let of_kind =
            |kind: &'static str| resources.iter().filter(move |one| one.text_of("ResourceType") == kind);
        let ids = |one: &Element| {
            (one.text_of("PhysicalResourceId").to_owned(), one.text_of("LogicalResourceId").to_owned())
        };
        if let Some((_, logical_id)) =
            of_kind("AWS::IAM::Role").map(ids).find(|(physical, _)| physical == role)
        {
            // A table needs no role to be made, so naming it in the policies of one makes no circle.
            return Ok(Some(Deployed {
                logical_id,
                tables: of_kind("AWS::DynamoDB::Table").map(ids).collect(),
            }));
        }
    }
    Ok(None)
}

/// What a patch calls the file, for somebody who applies it where this command ran: programs that apply patches take no
/// files of other folders.
fn path_in_patch(template: &Path) -> Result<String, CliError> {
    let whole = |path: &Path| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    let (here, path) = (whole(&std::env::current_dir()?)?, whole(template)?);
    let path = path.strip_prefix(&here).map_err(|_| {
        format!("{} is not below this folder: run this in the template's folder", path.display())
    })?;
    name_in_patch(path)
}

fn name_in_patch(path: &Path) -> Result<String, CliError> {
    let path = path.to_str().ok_or("the template's name is not UTF-8")?;
    if path.contains(['\n', '\r', '\t', '"', '\\']) {
        return Err(
            "a patch cannot name this file: its name has control characters, quotes or backslashes".into()
        );
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_where_the_command_ran() {
        let named = |path: &str| path_in_patch(Path::new(path)).map_err(|error| error.to_string());
        for path in ["Cargo.toml", "./src/../Cargo.toml", "../server/Cargo.toml"] {
            assert_eq!(named(path).unwrap(), "Cargo.toml", "{path}");
        }
        assert_eq!(named("./src/./main.rs").unwrap(), "src/main.rs");
        let here = std::env::current_dir().unwrap().join("src/main.rs");
        assert_eq!(path_in_patch(&here).unwrap(), "src/main.rs");
        for path in ["../oci/Cargo.toml", "/proc/self/status"] {
            assert!(named(path).unwrap_err().ends_with("run this in the template's folder"), "{path}");
        }
        assert!(named("no-such-file").is_err());
        for path in ["a\nb", "a\"b", "a\\b", "a\tb", "a\rb"] {
            assert!(name_in_patch(Path::new(path)).is_err(), "{path}");
        }
    }
}
