//! `casemate sign`: signing profiles and signed packages. Works on files; no server is asked.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_names::{AccountId, Arn, Region, Scope, hex, sha256};
use clap::{Args, Subcommand};

use super::{CliError, output};

/// Digits of a profile version.
// AWS: ten.
const VERSION_LENGTH: usize = 10;

/// Makes signing profiles and signs packages of functions and layers.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a signing profile: a private key, and its public half in a file beside it with .pub at the end
    Profile {
        /// The profile's name: letters, digits and underscores
        name: String,
        /// Where the private key goes. Whoever can read this file can sign
        #[arg(long)]
        key: PathBuf,
        /// The account whose profile it is
        #[arg(long, value_parser = AccountId::parse)]
        account: AccountId,
        /// Its region
        #[arg(long, default_value = "us-east-1", value_parser = Region::parse)]
        region: Region,
    },
    /// Let a server believe a profile's signatures: put its public half into the server's data directory
    Register {
        /// The profile version's ARN
        profile: String,
        /// The file with the public half
        #[arg(long)]
        public_key: PathBuf,
        /// Data directory
        #[arg(long, default_value = ".casemate", env = "CASEMATE_DATA_DIR")]
        data_dir: PathBuf,
    },
    /// Sign a zip package
    Package {
        /// The package
        package: PathBuf,
        /// The profile version's ARN
        #[arg(long)]
        profile: String,
        /// The file with the private key
        #[arg(long)]
        key: PathBuf,
        /// Where the signed package goes [default: in the place of the package]
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

impl Sign {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        match self.action {
            Action::Profile { name, key, account, region } => {
                let scope = Scope { partition: "aws".to_owned(), account, region };
                output::line(&profile(&name, &key, &scope)?);
            }
            Action::Register { profile, public_key, data_dir } => register(&profile, &public_key, &data_dir)?,
            Action::Package { package, profile, key, output } => {
                file_of(&profile)?;
                let key = fs::read(&key).map_err(|error| format!("{}: {error}", key.display()))?;
                let archive =
                    fs::read(&package).map_err(|error| format!("{}: {error}", package.display()))?;
                let signed = casemate_lambda::sign(&archive, &profile, &key)?;
                fs::write(output.as_deref().unwrap_or(&package), signed)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes a profile; answers its version's ARN.
fn profile(name: &str, key: &Path, scope: &Scope) -> Result<String, CliError> {
    let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no key could be made")?;
    let public = casemate_lambda::public_key(private.as_ref())?;
    let version: String = hex(&sha256(&public)).chars().take(VERSION_LENGTH).collect();
    let arn = Arn::regional(scope, "signer", &format!("/signing-profiles/{name}/{version}"));
    file_of(arn.as_str())?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(key)?;
    file.write_all(private.as_ref())?;
    fs::write(beside(key), format!("{}\n", STANDARD.encode(public)))?;
    Ok(arn.as_str().to_owned())
}

fn beside(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn register(profile: &str, public_key: &Path, data_dir: &Path) -> Result<(), CliError> {
    let text =
        fs::read_to_string(public_key).map_err(|error| format!("{}: {error}", public_key.display()))?;
    let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == PUBLIC_KEY_BYTES);
    let bytes = bytes.ok_or_else(|| format!("{} holds no public key", public_key.display()))?;
    let folder = data_dir.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let file = folder.join(file_of(profile)?);
    let text = format!("{}\n", STANDARD.encode(bytes));
    match fs::read_to_string(&file) {
        Ok(before) if before == text => Ok(()),
        // Whose signatures are believed does not change by the way.
        Ok(_) => Err(format!("{profile} has another key; remove {} to change that", file.display()).into()),
        Err(_) => Ok(fs::write(&file, text)?),
    }
}

fn file_of(profile: &str) -> Result<String, CliError> {
    casemate_lambda::key_file(profile).ok_or_else(|| {
        format!("{profile} does not name a signing profile version: arn:aws:signer:REGION:ACCOUNT:/signing-profiles/NAME/VERSION").into()
    })
}

/// Where a server looks for public halves, in its data directory.
pub(super) const FOLDER: &str = "signing-profiles";
/// Bytes of an Ed25519 public key.
const PUBLIC_KEY_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_made_registered_and_signs() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let scope = Scope {
            partition: "aws".to_owned(),
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let arn = profile("ours", &key, &scope).unwrap();
        assert!(profile("ours", &key, &scope).is_err(), "a key is not written over");
        assert!(profile("../ours", &folder.path().join("other"), &scope).is_err());
        register(&arn, &beside(&key), folder.path()).unwrap();
        assert!(register(&arn, &key, folder.path()).is_err(), "a private key is not registered");
        register(&arn, &beside(&key), folder.path()).unwrap();
        let other = folder.path().join("theirs");
        profile("theirs", &other, &scope).unwrap();
        assert!(register(&arn, &beside(&other), folder.path()).is_err(), "a key is not exchanged");
        let file = folder.path().join(FOLDER).join(file_of(&arn).unwrap());
        let registered = STANDARD.decode(fs::read_to_string(file).unwrap().trim()).unwrap();
        assert_eq!(registered, casemate_lambda::public_key(&fs::read(&key).unwrap()).unwrap());
    }
}
