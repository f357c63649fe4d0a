//! The command line. One file a command; this one only says what there is.

mod client;
mod deploy;
mod doctor;
mod explain;
mod image;
mod incidents;
mod least_privilege;
mod log;
mod microvm;
mod outbox;
mod output;
mod package;
mod policy;
mod role_policies;
mod running;
mod runtime;
mod sam_patch;
mod serve;
mod shadow;
mod sign;
mod stack;
mod up;
mod user;
mod xml;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use casemate_names::{AccountId, Region, Secret};
use casemate_sandbox::EgressRules;
use clap::{Args, Parser, Subcommand};

use crate::{boot::Settings, clock_skew, listen::PlainHttp};

/// Casemate: a self-hosted, AWS wire-compatible serverless platform with its security controls really enforced.
#[derive(Debug, Parser)]
#[command(name = "casemate", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deploy a SAM or CloudFormation template into an embedded instance and serve it
    Up(up::Up),
    /// Serve an empty or existing data directory
    Serve(serve::Serve),
    /// Deploy a SAM or CloudFormation template to a running server
    Deploy(deploy::Deploy),
    /// Sign up, confirm and sign in users of a pool
    User(user::User),
    /// Show messages waiting for people: confirmation codes, temporary passwords
    Outbox(outbox::Outbox),
    /// Make the minimal policies of a role from its recorded use, with proofs
    LeastPrivilege(least_privilege::LeastPrivilege),
    /// Try policies on live traffic without putting them in force
    Shadow(shadow::Shadow),
    /// Show the audit trail, or verify it
    Log(log::Log),
    /// Explain why a request was refused or what would be decided, and what would allow it
    Explain(explain::Explain),
    /// Compare policy documents, or find what their authors probably did not mean
    Policy(policy::Policy),
    /// Add, list and remove container images for functions
    Image(image::Image),
    /// Add, list and remove runtimes with a root of their own
    Runtime(runtime::Runtime),
    /// Make signing profiles and sign packages of functions and layers
    Sign(sign::Sign),
    /// Show which isolation layers and other protections are in force on this machine
    Doctor(doctor::Doctor),
}

/// Where the data is and where to listen.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerOptions {
    /// Data directory
    #[arg(long, default_value = ".casemate", env = "CASEMATE_DATA_DIR")]
    data_dir: PathBuf,
    /// File of the root key [default: root.key in the data directory]
    #[arg(long, env = "CASEMATE_ROOT_KEY")]
    root_key: Option<PathBuf>,
    /// Account id of a new data directory [default: random]
    #[arg(long, env = "CASEMATE_ACCOUNT", value_parser = AccountId::parse)]
    account: Option<AccountId>,
    /// Region of a new data directory [default: us-east-1]
    #[arg(long, env = "CASEMATE_REGION", value_parser = Region::parse)]
    region: Option<Region>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:4566", env = "CASEMATE_LISTEN")]
    listen: SocketAddr,
    /// How clients reach the server [default: http://localhost:PORT]
    #[arg(long, env = "CASEMATE_ENDPOINT")]
    endpoint: Option<String>,
    /// How far a signature's time may differ from the server's, for all services or one, e.g. 5m,sts=15m [default: as AWS]
    #[arg(long, env = "CASEMATE_MAX_CLOCK_SKEW", value_delimiter = ',', value_parser = clock_skew::Setting::parse)]
    max_clock_skew: Vec<clock_skew::Setting>,
    /// Serve plain HTTP beyond the loopback interface (only behind something that encrypts)
    #[arg(long)]
    allow_plain_http: bool,
    /// Host names for the TLS certificate besides localhost
    #[arg(long = "tls-name")]
    tls_names: Vec<String>,
    /// A directory with boto3, made visible to Python functions
    #[arg(long, env = "CASEMATE_PYTHON_SDK")]
    python_sdk: Option<PathBuf>,
    /// What functions may be allowed to connect to at all, e.g. api.example.com:443,*.example.org:443 [default: nothing]
    #[arg(long = "egress", env = "CASEMATE_EGRESS_CEILING", value_parser = EgressRules::parse)]
    egress_ceiling: Option<EgressRules>,
    #[command(flatten)]
    microvm: microvm::MicrovmOptions,
}

/// How to reach a running server, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientOptions {
    /// The server's base URL
    #[arg(long, default_value = "http://localhost:4566", env = "AWS_ENDPOINT_URL")]
    endpoint_url: String,
    /// Region to sign for
    #[arg(long, default_value = "us-east-1", env = "AWS_REGION")]
    region: String,
    /// Access key; from the environment, else from the data directory's administrator file
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    access_key_id: Option<String>,
    /// Its secret
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true, value_parser = secret)]
    secret_access_key: Option<Secret<String>>,
    /// Session token of temporary credentials
    #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true, value_parser = secret)]
    session_token: Option<Secret<String>>,
    /// Where to look for the administrator file
    #[arg(long, default_value = ".casemate", env = "CASEMATE_DATA_DIR")]
    data_dir: PathBuf,
}

impl ServerOptions {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            data_dir: self.data_dir.clone(),
            root_key: self.root_key.clone(),
            account: self.account.clone(),
            region: self.region.clone(),
            listen: self.listen,
            endpoint: self.endpoint.clone(),
            max_clock_skews: self.max_clock_skew.clone(),
        }
    }

    pub(crate) fn plain(&self) -> PlainHttp {
        if self.allow_plain_http { PlainHttp::Anywhere } else { PlainHttp::LoopbackOnly }
    }
}

/// Runs the command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Up(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Deploy(command) => command.run(),
        Command::User(command) => command.run(),
        Command::Outbox(command) => command.run(),
        Command::LeastPrivilege(command) => command.run(),
        Command::Shadow(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Policy(command) => command.run(),
        Command::Runtime(command) => command.run(),
        Command::Image(command) => command.run(),
        Command::Sign(command) => command.run(),
        Command::Doctor(command) => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            output::error(&format!("{error}"));
            ExitCode::FAILURE
        }
    }
}

/// An error for people: a sentence.
pub(crate) type CliError = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::unnecessary_wraps, reason = "the shape clap wants of a parser")]
fn secret(text: &str) -> Result<Secret<String>, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}
