//! `casemate image`: container images that functions may be made of, in the data directory. A server sees them at once.

use std::{path::PathBuf, process::ExitCode};

use casemate_names::AccountId;
use casemate_oci::{
    Digest,
    name::Name,
    store::{Addition, Images},
};
use clap::{Args, Subcommand};

use super::{CliError, output};

/// Adds, lists and removes container images.
#[derive(Debug, Args)]
pub(crate) struct Image {
    /// Data directory
    #[arg(long, global = true, default_value = ".casemate", env = "CASEMATE_DATA_DIR")]
    data_dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an image: it is verified, unpacked, and kept by its digest
    Add {
        /// What functions call it behind a registry's host, such as team/app:1.0
        name: String,
        /// A folder with an OCI layout, an archive of one, or what `docker save` wrote; archives may be gzipped
        path: PathBuf,
        /// Which image, if there are several: its name in the layout, or its digest
        #[arg(long)]
        select: Option<String>,
        /// Only functions of this account may be made of it; may be given several times. Without: all accounts
        #[arg(long = "account")]
        accounts: Vec<String>,
        /// Take the name from the image that has it. That one stays for the functions made of it, and is for no new ones
        #[arg(long)]
        replace: bool,
    },
    /// List the images, and whether their files are as they were
    List,
    /// Remove a name, or an image with all its names by its digest
    Remove {
        /// A name, such as team/app:1.0: functions made of its image go on, and no new ones are made of it. Or sha256:…: they stop
        what: String,
    },
}

impl Image {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let images = Images::of(&self.data_dir)?;
        match self.action {
            Action::Add { name, path, select, accounts, replace } => {
                if let Some(bad) = accounts.iter().find(|account| AccountId::parse(account).is_err()) {
                    return Err(format!("{bad} is not the number of an account").into());
                }
                let name: Name = name.parse()?;
                let select = select.as_deref();
                let about =
                    images.add(&Addition { name: name.clone(), path: &path, select, accounts, replace })?;
                output::line(&format!(
                    "{name} is {}: {} layers, {} bytes",
                    about.digest, about.layers, about.bytes
                ));
                if about.left_out > 0 {
                    output::line(&format!("{} devices and pipes are left out", about.left_out));
                }
            }
            Action::List => list(&images)?,
            Action::Remove { what } => {
                let was_there = match what.parse::<Digest>() {
                    Ok(digest) => images.remove(digest)?,
                    Err(_) => images.remove_name(&what.parse()?)?,
                };
                if !was_there {
                    return Err(format!("there is no image {what}").into());
                }
                output::line(&format!("{what} is removed"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(images: &Images) -> Result<(), CliError> {
    let entries = images.entries()?;
    for digest in images.digests()? {
        let Some(image) = images.image(digest)? else { continue };
        let state = image.verify().err().unwrap_or_else(|| "as it was added".to_owned());
        output::line(&format!("{digest}  {} bytes\n    {state}", image.about.bytes));
        for entry in entries.iter().filter(|entry| entry.digest == digest) {
            let Some(tag) = &entry.tag else {
                output::line(&format!("    {}  without a name: for no new functions", entry.repository));
                continue;
            };
            let accounts =
                if entry.accounts.is_empty() { "all accounts".to_owned() } else { entry.accounts.join(", ") };
            output::line(&format!("    {}:{tag}  for {accounts}", entry.repository));
        }
    }
    Ok(())
}
