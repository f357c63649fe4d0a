//! Opens a data directory: root key, store, audit trail, site, administrator.
//!
//! ```text
//! data/
//!   site.json            account and region, fixed at first start
//!   root.key             0600; keep it elsewhere with --root-key
//!   administrator        0600; the administrator's key as shell exports, written once
//!   db/  audit/  tls/  functions/
//! ```

use std::{
    fmt, fs,
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use casemate_kernel::{Builder, Site, audit::Audit};
use casemate_names::{AccountId, Clock, Entropy, Region, Scope, Secret, SystemClock, SystemEntropy};
use casemate_store::{RootKey, Store};
use serde::{Deserialize, Serialize};

use crate::clock_skew;

/// Where a server keeps its data and how it is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory.
    pub data_dir: PathBuf,
    /// The root key's file; inside the data directory unless told otherwise.
    pub root_key: Option<PathBuf>,
    /// The account, if the directory is new; must agree with an existing one.
    pub account: Option<AccountId>,
    /// The region, likewise.
    pub region: Option<Region>,
    /// The listening address.
    pub listen: SocketAddr,
    /// How clients reach us, if not at `http://localhost:PORT`.
    pub endpoint: Option<String>,
    /// How far the time of a signature may lie from ours.
    pub max_clock_skews: Vec<clock_skew::Setting>,
}

/// An opened data directory.
#[derive(Debug)]
pub struct Opened {
    /// Ready for services.
    pub builder: Builder,
    /// The audit trail, to be closed last.
    pub audit: Audit,
    /// Account, region, endpoint.
    pub site: Site,
    /// The clock in use.
    pub clock: Arc<dyn Clock>,
}

/// A data directory cannot be used.
#[derive(Debug)]
pub enum BootError {
    /// A file or directory cannot be read or written.
    Io(PathBuf, io::Error),
    /// `site.json` is not what we wrote, or disagrees with a flag.
    Site(String),
    /// The root key is missing, readable by others, or malformed.
    RootKey(String),
    /// The database cannot be opened.
    Store(String),
    /// The audit trail does not verify or cannot be written.
    Audit(String),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "`{}`: {error}", path.display()),
            Self::Site(text) | Self::RootKey(text) | Self::Store(text) | Self::Audit(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for BootError {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteFile {
    format: u16,
    account: AccountId,
    region: Region,
}

impl Settings {
    /// Where the root key is.
    pub fn root_key_path(&self) -> PathBuf {
        self.root_key.clone().unwrap_or_else(|| self.data_dir.join("root.key"))
    }

    /// The audit trail's directory.
    pub fn audit_dir(&self) -> PathBuf {
        self.data_dir.join("audit")
    }

    /// The administrator's credentials file.
    pub fn administrator_path(&self) -> PathBuf {
        self.data_dir.join("administrator")
    }
}

/// Opens the directory with the system's clock and randomness. Nothing is written where opening fails.
pub fn open(settings: &Settings) -> Result<Opened, BootError> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    make_private_dir(&settings.data_dir)?;
    let site_file = site_file(settings, &*entropy)?;
    let root_key = load_root_key(settings, &*entropy)?;
    let audit_key = audit_key(&root_key);
    let store = Store::open(&settings.data_dir.join("db"), root_key, Arc::clone(&entropy))
        .map_err(|error| BootError::Store(error.to_string()))?;
    let audit =
        Audit::open(&settings.audit_dir(), audit_key).map_err(|error| BootError::Audit(error.to_string()))?;
    let scope = Scope { partition: "aws".to_owned(), account: site_file.account, region: site_file.region };
    let endpoint =
        settings.endpoint.clone().unwrap_or_else(|| format!("http://localhost:{}", settings.listen.port()));
    let site = Site { scope, endpoint, data_dir: Some(settings.data_dir.clone()) };
    let builder = Builder::new(site.clone(), Arc::clone(&clock), entropy, store, audit.clone());
    let builder = clock_skew::apply(builder, &settings.max_clock_skews);
    Ok(Opened { builder, audit, site, clock })
}

/// Loads (or makes) the root key.
pub fn load_root_key(settings: &Settings, entropy: &dyn Entropy) -> Result<RootKey, BootError> {
    let path = settings.root_key_path();
    if settings.data_dir.join("db").exists() && !path.exists() {
        // Making a new key now would only hide that the old one is missing.
        return Err(BootError::RootKey(format!(
            "the data directory is sealed but its root key `{}` is missing; restore it or name it with --root-key",
            path.display()
        )));
    }
    RootKey::load_or_create(&path, entropy).map_err(|error| BootError::RootKey(error.to_string()))
}

/// The key of the audit chain, derived so that it need not be kept.
pub fn audit_key(root_key: &RootKey) -> [u8; 32] {
    *root_key.derive("audit chain v1", b"").expose()
}

/// Writes the administrator's key as shell exports, readable by the owner only.
pub fn write_administrator(
    settings: &Settings,
    site: &Site,
    access_key_id: &str,
    secret: &Secret<String>,
) -> Result<(), BootError> {
    let path = settings.administrator_path();
    let text = administrator_exports(site, access_key_id, secret);
    let failed = |error| BootError::Io(path.clone(), error);
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// What a shell needs to use the server as its administrator.
pub fn administrator_exports(site: &Site, access_key_id: &str, secret: &Secret<String>) -> String {
    format!(
        "export AWS_ACCESS_KEY_ID={access_key_id}\nexport AWS_SECRET_ACCESS_KEY={}\nexport AWS_REGION={region}\n\
         export AWS_DEFAULT_REGION={region}\nexport AWS_ENDPOINT_URL={}\nunset AWS_SESSION_TOKEN AWS_PROFILE\n",
        secret.expose(),
        site.endpoint,
        region = site.scope.region,
    )
}

fn make_private_dir(path: &Path) -> Result<(), BootError> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| BootError::Io(path.to_owned(), error))
}

fn site_file(settings: &Settings, entropy: &dyn Entropy) -> Result<SiteFile, BootError> {
    let path = settings.data_dir.join("site.json");
    let failed = |error| BootError::Io(path.clone(), error);
    match fs::read(&path) {
        Ok(bytes) => {
            let site: SiteFile = serde_json::from_slice(&bytes)
                .map_err(|error| BootError::Site(format!("`{}`: {error}", path.display())))?;
            let disagrees = settings.account.as_ref().is_some_and(|account| *account != site.account)
                || settings.region.as_ref().is_some_and(|region| *region != site.region);
            if disagrees {
                return Err(BootError::Site(format!(
                    "this data directory belongs to account {} in {}; use another one or leave the flags out",
                    site.account, site.region
                )));
            }
            Ok(site)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let account = match &settings.account {
                Some(account) => account.clone(),
                None => random_account(entropy),
            };
            let region = match &settings.region {
                Some(region) => region.clone(),
                None => Region::parse("us-east-1").map_err(|error| BootError::Site(error.to_string()))?,
            };
            let site = SiteFile { format: 1, account, region };
            let bytes =
                serde_json::to_vec_pretty(&site).map_err(|error| BootError::Site(error.to_string()))?;
            fs::write(&path, bytes).map_err(failed)?;
            Ok(site)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Twelve random digits, not beginning with zero (some tools drop it).
fn random_account(entropy: &dyn Entropy) -> AccountId {
    let mut bytes = [0; 8];
    entropy.fill("server.account", &mut bytes);
    let number = 100_000_000_000 + u64::from_le_bytes(bytes) % 900_000_000_000;
    AccountId::parse(&number.to_string()).unwrap_or_else(|_| random_account(entropy))
}
