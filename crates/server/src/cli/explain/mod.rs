//! `casemate explain`: why a request was refused, or what would be said to one. The server answers; here it is only asked
//! and shown.

mod text;

use std::{
    collections::BTreeMap,
    io::{IsTerminal, stdout},
    process::ExitCode,
};

use bytes::Bytes;
use clap::Args;

use super::{CliError, ClientOptions, client::Client, output};
use crate::admin::{
    self,
    explain::{Answered, Asked, PATH},
};

/// Explains a refusal by request id, or what would be decided by principal, action and resource.
///
/// Exit codes: 0 it would be allowed now, 1 it would be refused, 2 there is no answer.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    client: ClientOptions,
    /// Id of a refused request, as the error or the response's x-amzn-requestid names it
    #[arg(conflicts_with_all = ["principal", "action", "resource", "context"], required_unless_present = "principal")]
    request_id: Option<String>,
    /// ARN of a user, role, role session or account root; a service like lambda.amazonaws.com; or `anonymous`
    #[arg(long, requires = "action")]
    principal: Option<String>,
    /// The action, e.g. dynamodb:GetItem
    #[arg(long, requires = "principal")]
    action: Option<String>,
    /// The resource's ARN [default: *, for actions without resource-level permission]
    #[arg(long, requires = "principal")]
    resource: Option<String>,
    /// A condition key's value, KEY=VALUE; more than once for a key of several values
    #[arg(long, num_args = 1.., value_parser = pair, requires = "principal")]
    context: Vec<(String, String)>,
    /// Everything, as JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(self.ask()) {
            Ok(true) => Ok(ExitCode::SUCCESS),
            Ok(false) => Ok(ExitCode::from(1)),
            Err(error) => {
                output::error(&error.to_string());
                Ok(ExitCode::from(2))
            }
        }
    }

    /// Whether everything asked would be allowed.
    async fn ask(self) -> Result<bool, CliError> {
        let client = Client::from_options(&self.client)?;
        if !client.has_keys() {
            return Err("explanations need keys: none in the environment or the data directory".into());
        }
        let mut context: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in self.context {
            context.entry(key).or_default().push(value);
        }
        let asked = Asked {
            request_id: self.request_id,
            principal: self.principal,
            action: self.action,
            resource: self.resource,
            context,
        };
        let body = Bytes::from(serde_json::to_vec(&asked)?);
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let answer = client.send(admin::SERVICE, "POST", PATH, headers, body).await?.json()?;
        let answered: Answered = serde_json::from_value(answer.clone())?;
        if self.json {
            output::line(&serde_json::to_string_pretty(&answer)?);
        } else {
            let style = text::Style { coloured: stdout().is_terminal() };
            for told in &answered.explanations {
                for line in style.told(told) {
                    output::line(&line);
                }
            }
        }
        Ok(answered.explanations.iter().all(|told| told.explanation.decision.is_allowed()))
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}
