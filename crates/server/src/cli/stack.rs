//! Creates or updates a stack over the wire, like any client, and shows what happens.

use std::{collections::HashSet, time::Duration};

use casemate_cloudformation::api;
use casemate_kernel::OperationModel;
use casemate_schema::{Document, OpMeta};

use super::{
    CliError,
    client::Client,
    output,
    xml::{self, Element},
};

/// Milliseconds between two looks at a stack's events.
const POLL_MS: u64 = 100;
/// Seconds a deployment may take.
const DEPLOYMENT_S: u64 = 900;

/// What a finished stack offers.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) outputs: Vec<(String, String, String)>,
}

/// Creates the stack, or updates it if it exists, and waits for the end.
pub(crate) async fn deploy(
    client: &Client,
    name: &str,
    template: &str,
    parameters: &[(String, String)],
) -> Result<Deployed, CliError> {
    let seen = events(client, name)
        .await
        .unwrap_or_default()
        .iter()
        .map(|e| e.text_of("EventId").to_owned())
        .collect();
    let mut status_now = status(client, name).await?;
    if matches!(status_now.as_deref(), Some("ROLLBACK_COMPLETE" | "CREATE_FAILED")) {
        // AWS: such a stack can only be deleted; what it made is gone already.
        output::progress("  removing what is left of an earlier attempt");
        call(client, api::DeleteStack::META, &Document::structure([("StackName", name.into())])).await?;
        status_now = settled(client, name).await?;
    }
    let exists = status_now.is_some_and(|status| status != "DELETE_COMPLETE");
    let input = request(name, template, parameters);
    let operation = if exists { api::UpdateStack::META } else { api::CreateStack::META };
    match call(client, operation, &input).await {
        Ok(_) => {}
        // AWS: the text of an update that changes nothing.
        Err(error) if error.to_string().contains("No updates are to be performed") => {
            output::progress("  nothing has changed");
            return outputs(client, name).await;
        }
        Err(error) => return Err(error),
    }
    let finished = tokio::time::timeout(Duration::from_secs(DEPLOYMENT_S), follow(client, name, seen)).await;
    let status = finished.map_err(|_| format!("the stack did not finish within {DEPLOYMENT_S} s"))??;
    if !matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
        return Err(format!("the deployment of `{name}` failed ({status}); see the reasons above").into());
    }
    outputs(client, name).await
}

fn request(name: &str, template: &str, parameters: &[(String, String)]) -> Document {
    let each = parameters.iter().map(|(key, value)| {
        Document::structure([
            ("ParameterKey", key.as_str().into()),
            ("ParameterValue", value.as_str().into()),
        ])
    });
    let capabilities = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
    Document::structure([
        ("StackName", name.into()),
        ("TemplateBody", template.into()),
        ("Parameters", Document::List(each.collect())),
        ("Capabilities", Document::List(capabilities.into_iter().map(Document::from).collect())),
    ])
}

/// Waits until the stack is not in progress.
async fn settled(client: &Client, name: &str) -> Result<Option<String>, CliError> {
    let wait = async {
        loop {
            match status(client, name).await? {
                Some(status) if status.ends_with("_IN_PROGRESS") => {
                    tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
                }
                settled => return Ok(settled),
            }
        }
    };
    let limit = Duration::from_secs(DEPLOYMENT_S);
    tokio::time::timeout(limit, wait).await.map_err(|_| "the stack did not settle in time")?
}

/// Prints events as they come, until the stack's own status is final.
async fn follow(client: &Client, name: &str, mut seen: HashSet<String>) -> Result<String, CliError> {
    loop {
        for event in events(client, name).await?.iter().rev() {
            if seen.insert(event.text_of("EventId").to_owned()) {
                show(event);
            }
        }
        if let Some(status) = status(client, name).await?
            && !status.ends_with("_IN_PROGRESS")
        {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
}

fn show(event: &Element) {
    let reason = event.text_of("ResourceStatusReason");
    let reason = if reason.is_empty() { String::new() } else { format!("  {reason}") };
    output::progress(&format!(
        "  {:<20} {:<34} {}{reason}",
        event.text_of("ResourceStatus"),
        event.text_of("LogicalResourceId"),
        event.text_of("ResourceType"),
    ));
}

async fn events(client: &Client, name: &str) -> Result<Vec<Element>, CliError> {
    let answer =
        call(client, api::DescribeStackEvents::META, &Document::structure([("StackName", name.into())]))
            .await?;
    Ok(answer.members("StackEvents").to_vec())
}

async fn describe(client: &Client, name: &str) -> Result<Option<Element>, CliError> {
    let input = Document::structure([("StackName", name.into())]);
    match call(client, api::DescribeStacks::META, &input).await {
        Ok(answer) => Ok(answer.members("Stacks").first().cloned()),
        // AWS: "Stack with id NAME does not exist"
        Err(error) if error.to_string().contains("does not exist") => Ok(None),
        Err(error) => Err(error),
    }
}

async fn status(client: &Client, name: &str) -> Result<Option<String>, CliError> {
    Ok(describe(client, name).await?.map(|stack| stack.text_of("StackStatus").to_owned()))
}

async fn outputs(client: &Client, name: &str) -> Result<Deployed, CliError> {
    let stack = describe(client, name).await?.ok_or("the stack is gone")?;
    let outputs = stack
        .members("Outputs")
        .iter()
        .map(|o| {
            (
                o.text_of("OutputKey").to_owned(),
                o.text_of("OutputValue").to_owned(),
                o.text_of("Description").to_owned(),
            )
        })
        .collect();
    Ok(Deployed { outputs })
}

/// Calls an operation; an error of the server is one.
pub(crate) async fn call(
    client: &Client,
    op: &'static OpMeta,
    input: &Document,
) -> Result<Element, CliError> {
    let answer = client.call(op, input).await?;
    let tree = xml::parse(&answer.text())?;
    if answer.status.is_success() {
        return Ok(tree);
    }
    let (code, message) = tree.find("Error").map_or(("", ""), |e| (e.text_of("Code"), e.text_of("Message")));
    Err(format!("{code}: {message}").into())
}
