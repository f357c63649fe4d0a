//! `casemate log` and `casemate log verify`: read the audit trail's files with the root key, without a server.

use std::{path::PathBuf, process::ExitCode};

use aws_lc_rs::hmac;
use casemate_kernel::audit::{ChainError, Kind, Record, verify_directory};
use casemate_names::{Clock, SystemClock};
use casemate_store::RootKey;
use clap::{Args, Subcommand};

use super::{CliError, output};
use crate::boot;

/// Shows or verifies the audit trail.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(subcommand)]
    action: Option<Action>,
    /// Data directory
    #[arg(long, default_value = ".casemate", env = "CASEMATE_DATA_DIR", global = true)]
    data_dir: PathBuf,
    /// File of the root key [default: root.key in the data directory]
    #[arg(long, env = "CASEMATE_ROOT_KEY", global = true)]
    root_key: Option<PathBuf>,
    /// One JSON object per record
    #[arg(long)]
    json: bool,
    /// Only alarms
    #[arg(long)]
    alarms: bool,
    /// Only refused requests
    #[arg(long)]
    denied: bool,
    /// Only records that mention this text (function, caller, request id, operation, …)
    #[arg(long)]
    grep: Option<String>,
    /// The last N records
    #[arg(short = 'n', long, default_value_t = 50)]
    last: usize,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check every record of the chain
    Verify,
}

impl Log {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let root_key = self.root_key.clone().unwrap_or_else(|| self.data_dir.join("root.key"));
        let root_key = RootKey::load(&root_key)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &boot::audit_key(&root_key));
        let directory = self.data_dir.join("audit");
        let mut kept = std::collections::VecDeque::new();
        let result = verify_directory(&directory, &key, |record| {
            if self.action.is_none() && self.wants(record) {
                if kept.len() == self.last {
                    kept.pop_front();
                }
                kept.push_back(record.clone());
            }
        });
        for record in &kept {
            self.show(record);
        }
        match result {
            Ok(verified) => {
                if self.action.is_some() {
                    let at = SystemClock.now().iso8601();
                    output::line(&format!("{} records, chain intact ({at})", verified.records));
                }
                Ok(ExitCode::SUCCESS)
            }
            // A server may be writing the last line at this moment.
            Err(ChainError::Malformed { .. }) if self.action.is_none() => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error.into()),
        }
    }

    fn wants(&self, record: &Record) -> bool {
        let refused = record.outcome.status >= 400 || record.alarm.is_some();
        let mentions =
            |text: &String| serde_json::to_string(record).is_ok_and(|line| line.contains(text.as_str()));
        (!self.alarms || record.alarm.is_some())
            && (!self.denied || refused)
            && self.grep.as_ref().is_none_or(mentions)
    }

    fn show(&self, record: &Record) {
        if self.json {
            output::line(&serde_json::to_string(record).unwrap_or_default());
            return;
        }
        let what = match (&record.service, &record.operation) {
            (Some(service), Some(operation)) => format!("{service}:{operation}"),
            (None, Some(operation)) => operation.clone(),
            _ => format!(
                "{} {}",
                record.method.as_deref().unwrap_or("-"),
                record.path.as_deref().unwrap_or("-")
            ),
        };
        let outcome = match (record.kind, &record.outcome.code) {
            (Kind::Event, _) => "event".to_owned(),
            (_, None) => record.outcome.status.to_string(),
            (_, Some(code)) => format!("{} {code}", record.outcome.status),
        };
        output::line(&format!(
            "{:>6} {} {what} by {} → {outcome}",
            record.sequence, record.at, record.caller
        ));
        for ask in &record.asks {
            output::line(&format!("         asks {} on {}", ask.action, ask.resource));
        }
        if let Some(decision) = &record.decision {
            output::line(&format!("         {}: {}", decision.verdict, decision.because));
        }
        if let Some(function) = &record.function {
            output::line(&format!("         function {function} in {}", record.peer));
        }
        if let Some(detail) = &record.detail {
            output::line(&format!("         {detail}"));
        }
        if let Some(alarm) = &record.alarm {
            output::line(&format!("         ALARM: {alarm}"));
        }
    }
}
