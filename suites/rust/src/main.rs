//! What the Rust SDK signs, sent to a running server. It prints what came of each step, one line each, fields separated by
//! tabs; `test_signatures.py` judges them.
//!
//! `casemate-suites-rust platform ENDPOINT` calls STS and DynamoDB of a platform. `casemate-suites-rust storage ENDPOINT
//! FILE` uploads to the verifier of crates/sigv4 in every form the SDK has. Keys come from the usual two variables.

mod platform;
mod storage;
mod wire;

use std::{env, error::Error};

use aws_credential_types::Credentials;

type Fallible<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["platform", endpoint] => platform::run(endpoint).await,
        ["storage", endpoint, file] => storage::run(endpoint, file).await,
        _ => Err("usage: casemate-suites-rust platform ENDPOINT | storage ENDPOINT FILE".into()),
    }
}

/// The keys to sign with.
fn keys() -> Fallible<Credentials> {
    Ok(Credentials::from_keys(env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?, None))
}

/// The same key id with a secret that is not its own.
fn wrong_keys() -> Fallible<Credentials> {
    Ok(Credentials::from_keys(env::var("AWS_ACCESS_KEY_ID")?, "a wrong secret", None))
}
