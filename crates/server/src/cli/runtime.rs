//! `casemate runtime`: runtimes with a root of their own, in a file of the data directory. A server reads it when it starts.

use std::{path::PathBuf, process::ExitCode};

use casemate_roots::table::{Entry, Exec, Family, Table};
use casemate_sandbox::{ExecPolicy, Family as Kind, OwnRoot, RuntimeTable};
use clap::{Args, Subcommand, ValueEnum};

use super::{CliError, output};

/// Adds, lists and removes runtimes.
#[derive(Debug, Args)]
pub(crate) struct Runtime {
    /// Data directory
    #[arg(long, global = true, default_value = ".casemate", env = "CASEMATE_DATA_DIR")]
    data_dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a runtime: a folder with all it needs, and what is executed in it. Servers know it after their next start
    Add {
        /// What functions name it by, such as php8.2
        id: String,
        /// The folder: only its owner may be able to write to it or to what is in it
        #[arg(long)]
        root: PathBuf,
        /// Whose bootstrap calls the function: ours for the language, or none
        #[arg(long, value_enum, default_value_t = FamilyName::Provided)]
        family: FamilyName,
        /// Which programs may be started inside, unless a function says otherwise
        #[arg(long, value_enum, default_value_t = ExecName::Deny)]
        exec: ExecName,
        /// Put it in the place of one that has the identifier
        #[arg(long)]
        replace: bool,
        /// The program, a whole path inside the root (or /var/task/…), and its arguments. Comes last: all that follows is theirs
        #[arg(long, required = true, num_args = 1.., allow_hyphen_values = true)]
        argv: Vec<String>,
    },
    /// List the runtimes that were added, and whether their roots are as they were
    List,
    /// Remove a runtime; its functions stay and say that it is missing. Its folder stays, too
    Remove {
        /// What functions name it by
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FamilyName {
    Provided,
    Python,
    Node,
    Ruby,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExecName {
    Deny,
    Audit,
    Allow,
}

impl Runtime {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let mut table = Table::open(&self.data_dir)?;
        match self.action {
            Action::Add { id, root, family, exec, replace, argv } => {
                let entry =
                    Entry { id, root, argv, family: family.into(), exec: exec.into(), sha256: String::new() };
                let added = table.add(entry, replace)?;
                output::line(&format!("{} in {} (sha256 {})", added.id, added.root.display(), added.sha256));
            }
            Action::List => {
                for entry in table.entries() {
                    let state = entry.verify().err().unwrap_or_else(|| "as it was added".to_owned());
                    output::line(&format!(
                        "{}  {}  {:?}, exec {:?}: {}\n    {state}",
                        entry.id,
                        entry.root.display(),
                        entry.family,
                        entry.exec,
                        entry.argv.join(" ")
                    ));
                }
            }
            Action::Remove { id } => {
                if !table.remove(&id)? {
                    return Err(format!("no runtime {id} was added").into());
                }
                output::line(&format!("{id} is removed"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What this host has, and what was added in a data directory.
pub(super) fn table(data_dir: &std::path::Path) -> Result<RuntimeTable, CliError> {
    let mut all = RuntimeTable::discover(&std::env::var_os("PATH").unwrap_or_default());
    for entry in Table::open(data_dir)?.entries() {
        let family = match entry.family {
            Family::Python => Kind::Python,
            Family::Node => Kind::Node,
            Family::Ruby => Kind::Ruby,
            Family::Provided => Kind::Provided,
        };
        let exec = match entry.exec {
            Exec::Deny => ExecPolicy::Deny,
            Exec::Audit => ExecPolicy::Audit,
            Exec::Allow => ExecPolicy::Allow,
        };
        let own = OwnRoot {
            folder: entry.root.clone(),
            argv: entry.argv.clone(),
            exec,
            sha256: entry.sha256.clone(),
        };
        all.add_own(&entry.id, family, own);
    }
    Ok(all)
}

impl From<FamilyName> for Family {
    fn from(name: FamilyName) -> Self {
        match name {
            FamilyName::Provided => Self::Provided,
            FamilyName::Python => Self::Python,
            FamilyName::Node => Self::Node,
            FamilyName::Ruby => Self::Ruby,
        }
    }
}

impl From<ExecName> for Exec {
    fn from(name: ExecName) -> Self {
        match name {
            ExecName::Deny => Self::Deny,
            ExecName::Audit => Self::Audit,
            ExecName::Allow => Self::Allow,
        }
    }
}
