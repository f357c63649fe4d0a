//! `casemate image`: container images that functions may be made of, in the data directory. A server sees them at once.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use casemate_names::AccountId;
use casemate_oci::{
    Digest, Platform,
    name::Name,
    registry::{Login, Proxy, Remote},
    store::{About, Addition, Images},
};
use clap::{Args, Subcommand};
use hyper_util::client::proxy::matcher::Matcher;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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
        #[command(flatten)]
        uses: Uses,
    },
    /// Fetch an image from a registry and add it. Only this command asks registries, never a server
    Pull {
        /// What functions call it behind a registry's host, such as team/app:1.0
        name: String,
        /// Which image: HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST; a digest cannot come to mean something else
        reference: String,
        /// Who asks; the password is read from standard input
        #[arg(long)]
        user: Option<String>,
        /// Ask this registry without TLS: who sits between can read the password and choose what a tag means
        #[arg(long)]
        plain_http: bool,
        /// Trust the authorities in this PEM file, too
        #[arg(long)]
        ca: Option<PathBuf>,
        #[command(flatten)]
        uses: Uses,
    },
    /// List the images, and whether their files are as they were
    List,
    /// Remove a name, or an image with all its names by its digest
    Remove {
        /// A name, such as team/app:1.0: functions made of its image go on, and no new ones are made of it. Or sha256:…: they stop
        what: String,
    },
}

/// Whose image it is to be, and what becomes of the one that has the name.
#[derive(Debug, Args)]
struct Uses {
    /// Only functions of this account may be made of it; may be given several times. Without: all accounts
    #[arg(long = "account")]
    accounts: Vec<String>,
    /// Take the name from the image that has it. That one stays for the functions made of it, and is for no new ones
    #[arg(long)]
    replace: bool,
}

impl Uses {
    /// Before anything is read or fetched.
    fn check(&self) -> Result<(), CliError> {
        match self.accounts.iter().find(|account| AccountId::parse(account).is_err()) {
            Some(bad) => Err(format!("{bad} is not the number of an account").into()),
            None => Ok(()),
        }
    }
}

impl Image {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let images = Images::of(&self.data_dir)?;
        match self.action {
            Action::Add { name, path, select, uses } => {
                uses.check()?;
                add(&images, &name.parse()?, &path, select.as_deref(), uses)?;
            }
            Action::Pull { name, reference, user, plain_http, ca, uses } => {
                let name: Name = name.parse()?;
                uses.check()?;
                let authorities = ca.map(|path| std::fs::read(&path)).transpose()?.into_iter().collect();
                let login = user.map_or(Ok(Login::Anonymous), login)?;
                let mut remote = Remote { reference, login, plain_http, authorities, https_proxy: None };
                remote.https_proxy = proxy(&remote);
                pull(&images, &name, &remote, uses)?;
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

fn add(images: &Images, name: &Name, path: &Path, select: Option<&str>, uses: Uses) -> Result<(), CliError> {
    let Uses { accounts, replace } = uses;
    let about: About = images.add(&Addition { name: name.clone(), path, select, accounts, replace })?;
    output::line(&format!("{name} is {}: {} layers, {} bytes", about.digest, about.layers, about.bytes));
    if about.left_out > 0 {
        output::line(&format!("{} devices and pipes are left out", about.left_out));
    }
    Ok(())
}

fn pull(images: &Images, name: &Name, remote: &Remote, uses: Uses) -> Result<(), CliError> {
    let gathering = images.gathering()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut progress = |text: &str| output::line(text);
    bound_memory()?;
    let platform = Platform::of_host();
    let (accounts, replace) = (uses.accounts.clone(), uses.replace);
    let wished = Addition { name: name.clone(), path: gathering.folder(), select: None, accounts, replace };
    let mut wanted = |digest| images.check(&wished, digest);
    let fetched = remote.fetch(gathering.folder(), &platform, &mut wanted, &mut progress);
    let within = runtime.block_on(async { tokio::time::timeout(FETCH_LIMIT, fetched).await });
    within.map_err(|_| format!("the image did not come within {} seconds", FETCH_LIMIT.as_secs()))??;
    add(images, name, gathering.folder(), None, uses)
}

/// How long an image may take to come. Ours: the largest packed one at a megabyte per second.
const FETCH_LIMIT: Duration = Duration::from_hours(4);
/// Bytes of this command's addresses. Ours: its own and its libraries', and documents many times as large as are taken.
const ADDRESSES_BYTES_MAX: u64 = 2 << 30;

/// The registry's client reads manifests and tokens whole before their size can be looked at: an endless one ends this command,
/// not the host. Nothing is dumped then, for there is a password in it.
fn bound_memory() -> Result<(), CliError> {
    for (resource, bytes) in [(Resource::As, ADDRESSES_BYTES_MAX), (Resource::Core, 0)] {
        let bytes = Some(getrlimit(resource).maximum.map_or(bytes, |already| already.min(bytes)));
        setrlimit(resource, Rlimit { current: bytes, maximum: bytes }).map_err(std::io::Error::from)?;
    }
    Ok(())
}

/// The proxy that the environment names for this registry. That is then for the host that it names for tokens, too.
#[expect(clippy::disallowed_methods, reason = "names that all programs share, not our configuration")]
fn proxy(remote: &Remote) -> Option<Proxy> {
    let address = remote.address()?.parse().ok()?;
    Matcher::from_env().intercept(&address)?;
    let named = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].iter().find_map(named).map(Proxy)
}

/// Bytes of a password. Ours: tokens of registries have some thousands.
const PASSWORD_BYTES_MAX: u64 = 64 * 1024;

fn login(user: String) -> Result<Login, CliError> {
    let mut password = String::new();
    let read = std::io::stdin().take(PASSWORD_BYTES_MAX + 1).read_to_string(&mut password)?;
    if read as u64 > PASSWORD_BYTES_MAX {
        return Err(format!("the password has more than {PASSWORD_BYTES_MAX} bytes").into());
    }
    let password = password.trim_end_matches(['\n', '\r']).to_owned();
    if password.is_empty() {
        return Err("standard input holds no password".into());
    }
    Ok(Login::Password { user, password })
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
