//! `casemate user`: sign up, confirm and sign in, for people without another client at hand. Signing in proves the
//! password by SRP; it never leaves this process.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_cognito_idp::{api, claim_time, srp};
use casemate_kernel::OperationModel;
use casemate_names::{Clock, Entropy, Secret, SystemClock, SystemEntropy, Timestamp};
use casemate_schema::Document;
use clap::{Args, Subcommand, ValueEnum};
use rustix::termios;

use super::{CliError, client::Client, output};

/// Signs users up and in.
#[derive(Debug, Args)]
pub(crate) struct User {
    #[command(subcommand)]
    action: Action,
    /// The server's base URL
    #[arg(long, default_value = "http://localhost:4566", env = "AWS_ENDPOINT_URL", global = true)]
    endpoint_url: String,
    /// The app client
    #[arg(long, global = true, required = false, default_value = "")]
    client_id: String,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an account; the confirmation code waits in the outbox
    SignUp {
        /// The user's name
        username: String,
        /// Mail address the code is meant for
        #[arg(long)]
        email: Option<String>,
    },
    /// Confirm an account with its code
    Confirm {
        /// The user's name
        username: String,
        /// The code
        code: String,
    },
    /// Sign in and print a token
    SignIn {
        /// The user's name
        username: String,
        /// The pool
        #[arg(long)]
        user_pool_id: String,
        /// Which token to print
        #[arg(long, value_enum, default_value_t = Token::Id)]
        token: Token,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Token {
    Id,
    Access,
    Refresh,
    /// All of them, as the API's JSON
    All,
}

impl User {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        if self.client_id.is_empty() {
            return Err("--client-id is missing: the app client to use".into());
        }
        let client = Client::new(&self.endpoint_url, "us-east-1", None, None)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match &self.action {
                Action::SignUp { username, email } => {
                    self.sign_up(&client, username, email.as_deref()).await?;
                }
                Action::Confirm { username, code } => self.confirm(&client, username, code).await?,
                Action::SignIn { username, user_pool_id, token } => {
                    self.sign_in(&client, username, user_pool_id, *token).await?;
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    async fn sign_up(&self, client: &Client, username: &str, email: Option<&str>) -> Result<(), CliError> {
        let password = ask_password()?;
        let attributes = email.map(|email| {
            Document::List(vec![Document::structure([("Name", "email".into()), ("Value", email.into())])])
        });
        let input = Document::structure([
            ("ClientId", self.client_id.as_str().into()),
            ("Username", username.into()),
            ("Password", password.expose().as_str().into()),
            ("UserAttributes", attributes.unwrap_or_default()),
        ]);
        let answer = client.call(api::SignUp::META, &input).await?.json()?;
        let sub = answer.get("UserSub").and_then(serde_json::Value::as_str).unwrap_or("");
        output::line(&format!(
            "{username} signed up ({sub}); an administrator finds the code with `casemate outbox`"
        ));
        Ok(())
    }

    async fn confirm(&self, client: &Client, username: &str, code: &str) -> Result<(), CliError> {
        let input = Document::structure([
            ("ClientId", self.client_id.as_str().into()),
            ("Username", username.into()),
            ("ConfirmationCode", code.into()),
        ]);
        client.call(api::ConfirmSignUp::META, &input).await?.json()?;
        output::line(&format!("{username} is confirmed"));
        Ok(())
    }

    async fn sign_in(
        &self,
        client: &Client,
        username: &str,
        pool: &str,
        token: Token,
    ) -> Result<(), CliError> {
        let password = ask_password()?;
        let mut exponent = vec![0; srp::EXPONENT_BYTES];
        SystemEntropy::default().fill("cli.srp", &mut exponent);
        let exponent = Secret::new(exponent);
        let public = srp::integer_hex(&srp::client_public(&exponent));
        let input = Document::structure([
            ("AuthFlow", "USER_SRP_AUTH".into()),
            ("ClientId", self.client_id.as_str().into()),
            (
                "AuthParameters",
                Document::structure([("USERNAME", username.into()), ("SRP_A", public.into())]),
            ),
        ]);
        let challenge = client.call(api::InitiateAuth::META, &input).await?.json()?;
        let responses = answer_challenge(&challenge, pool, &password, &exponent, SystemClock.now())?;
        let input = Document::structure([
            ("ChallengeName", "PASSWORD_VERIFIER".into()),
            ("ClientId", self.client_id.as_str().into()),
            ("ChallengeResponses", responses),
            (
                "Session",
                challenge.get("Session").and_then(serde_json::Value::as_str).map(str::to_owned).into(),
            ),
        ]);
        let answer = client.call(api::RespondToAuthChallenge::META, &input).await?.json()?;
        let result = answer.get("AuthenticationResult").ok_or_else(|| {
            let next = answer.get("ChallengeName").and_then(serde_json::Value::as_str).unwrap_or("?");
            format!("the pool asks for {next}, which this command does not answer")
        })?;
        let name = match token {
            Token::Id => "IdToken",
            Token::Access => "AccessToken",
            Token::Refresh => "RefreshToken",
            Token::All => {
                output::line(&result.to_string());
                return Ok(());
            }
        };
        output::line(result.get(name).and_then(serde_json::Value::as_str).unwrap_or(""));
        Ok(())
    }
}

fn answer_challenge(
    challenge: &serde_json::Value,
    pool: &str,
    password: &Secret<String>,
    exponent: &Secret<Vec<u8>>,
    now: Timestamp,
) -> Result<Document, CliError> {
    let parameter = |name: &str| {
        challenge
            .get("ChallengeParameters")
            .and_then(|parameters| parameters.get(name))
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| format!("the server's challenge lacks {name}"))
    };
    let pool_name = pool.split_once('_').map_or(pool, |(_, name)| name);
    let user = parameter("USER_ID_FOR_SRP")?;
    let block = STANDARD.decode(parameter("SECRET_BLOCK")?)?;
    let x = srp::client_secret(pool_name, user, password.expose(), &unhex(parameter("SALT")?)?);
    let key = srp::client_session_key(exponent, &unhex(parameter("SRP_B")?)?, &x)
        .map_err(|_| "the server's challenge is not honest")?;
    let timestamp = claim_time::render(now);
    let claim = srp::claim(&key, pool_name, user, &block, &timestamp);
    Ok(Document::structure([
        ("USERNAME", user.into()),
        ("PASSWORD_CLAIM_SECRET_BLOCK", parameter("SECRET_BLOCK")?.into()),
        ("PASSWORD_CLAIM_SIGNATURE", STANDARD.encode(claim.expose()).into()),
        ("TIMESTAMP", timestamp.into()),
    ]))
}

fn unhex(text: &str) -> Result<Vec<u8>, CliError> {
    let even = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    even.as_bytes()
        .chunks(2)
        .map(|pair| {
            let digits = std::str::from_utf8(pair)?;
            Ok(u8::from_str_radix(digits, 16)?)
        })
        .collect()
}

/// Reads a line from standard input, without echo if it is a terminal.
fn ask_password() -> Result<Secret<String>, CliError> {
    let stdin = io::stdin();
    let before = termios::tcgetattr(&stdin).ok();
    if let Some(settings) = &before {
        let mut silent = settings.clone();
        silent.local_modes.remove(termios::LocalModes::ECHO);
        termios::tcsetattr(&stdin, termios::OptionalActions::Flush, &silent)?;
        drop(write!(io::stderr(), "Password: "));
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(settings) = &before {
        termios::tcsetattr(&stdin, termios::OptionalActions::Flush, settings)?;
        drop(writeln!(io::stderr()));
    }
    read?;
    let password = Secret::new(line.trim_end_matches(['\r', '\n']).to_owned());
    if password.expose().is_empty() {
        return Err("no password given (type it, or pipe it in)".into());
    }
    Ok(password)
}
