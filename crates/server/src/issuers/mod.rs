//! Where the keys of token issuers come from: this server's own user pools, and files that the operator has put into the
//! data directory, which hold the keys or allow the server to fetch them. No caller can make the server open a connection by
//! registering an address.

mod address;
mod fetch;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use casemate_jose::{KeySource, read_key_set};
use casemate_kernel::{BoxFuture, Env, Site};
use casemate_names::{AccountId, Arn, Scope};
use casemate_sts::{IssuerKeySet, IssuerKeys, Unreachable};
use serde::Deserialize;

use self::fetch::{Fetcher, Source};

/// Directory of key files below the data directory.
const FOLDER: &str = "issuers";
/// Key files read.
const FILES_MAX: usize = 64;
/// Bytes of one.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Own pools first, files second.
// DIVERGES: AWS fetches the keys of any registered issuer; here only where the operator has put a file that allows it.
pub(crate) struct Issuers {
    pools: Arc<dyn KeySource>,
    site: Arc<Site>,
    fetcher: Fetcher,
}

/// What a file says of an issuer.
#[derive(Debug)]
enum Told {
    /// Its keys.
    Keys(IssuerKeySet),
    /// That they may be fetched.
    Fetch(Source),
}

impl Issuers {
    pub(crate) fn new(pools: Arc<dyn KeySource>, env: &Env) -> Self {
        Self { pools, site: Arc::clone(&env.site), fetcher: Fetcher::new(Arc::clone(&env.clock)) }
    }

    /// The keys of a pool whose tokens name exactly this issuer.
    fn own(&self, issuer: &str, account: &AccountId) -> Option<IssuerKeySet> {
        let pool = issuer.rsplit('/').next().filter(|pool| !pool.is_empty())?;
        let home = &self.site.scope;
        // A pool may serve another account than its own.
        [account, &home.account].into_iter().find_map(|account| {
            let scope = Scope { account: account.clone(), ..home.clone() };
            let arn = Arn::regional(&scope, "cognito-idp", &format!("userpool/{pool}"));
            let known = self.pools.keys(&arn).filter(|known| known.issuer == issuer)?;
            Some(known.keys)
        })
    }
}

impl IssuerKeys for Issuers {
    fn keys<'a>(
        &'a self,
        issuer: &'a str,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<IssuerKeySet>, Unreachable>> {
        Box::pin(async move {
            if let Some(keys) = self.own(issuer, account) {
                return Ok(Some(keys));
            }
            let Some(data_dir) = &self.site.data_dir else { return Ok(None) };
            let (folder, issuer) = (data_dir.join(FOLDER), issuer.to_owned());
            let told = tokio::task::spawn_blocking(move || told(&folder, &issuer)).await;
            match told.map_err(|_| Unreachable)? {
                None => Ok(None),
                Some(Told::Keys(keys)) => Ok(Some(keys)),
                Some(Told::Fetch(source)) => self.fetcher.keys(&source).await.map(Some),
            }
        })
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers").field("site", &self.site).finish_non_exhaustive()
    }
}

/// What the operator has told of an issuer. Read anew each time, so that a key taken out of a file is out of use.
fn told(folder: &Path, issuer: &str) -> Option<Told> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files.into_iter().take(FILES_MAX).find_map(|file| key_file(&file, issuer))
}

fn key_file(file: &Path, issuer: &str) -> Option<Told> {
    #[derive(Deserialize)]
    struct Named {
        issuer: String,
        #[serde(default)]
        fetch: bool,
        #[serde(default)]
        private: bool,
        ca: Option<String>,
    }
    let about = std::fs::metadata(file).ok()?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        tracing::warn!(file = %file.display(), "not a key file: too large, or no file");
        return None;
    }
    let bytes = std::fs::read(file).ok()?;
    let Ok(named) = serde_json::from_slice::<Named>(&bytes) else {
        tracing::warn!(file = %file.display(), "not a key file: no issuer");
        return None;
    };
    if named.issuer != issuer {
        return None;
    }
    if named.fetch {
        return Some(Told::Fetch(Source { issuer: named.issuer, private: named.private, ca: named.ca }));
    }
    let keys = read_key_set(&bytes);
    if keys.is_none() {
        tracing::warn!(file = %file.display(), "not a key file: no key set");
    }
    keys.map(Told::Keys)
}

#[cfg(test)]
mod tests {
    use casemate_jose::SigningKey;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_speaks_for_the_very_issuer_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let jwk = SigningKey::generate("k").unwrap().jwk();
        let file = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        file("a.json", "not json".to_owned());
        file("b.json", json!({ "issuer": "https://other", "keys": [] }).to_string());
        file("c.json", json!({ "issuer": "https://idp", "keys": [jwk] }).to_string());
        file("d.txt", json!({ "issuer": "https://text", "keys": [jwk] }).to_string());
        let large = json!({ "issuer": "https://large", "keys": [jwk], "x": "x".repeat(70_000) });
        file("e.json", large.to_string());
        file("f.json", json!({ "issuer": "https://far", "fetch": true }).to_string());
        let Some(Told::Keys(keys)) = told(folder.path(), "https://idp") else { panic!("no keys") };
        assert_eq!(keys.len(), 1);
        let Some(Told::Fetch(source)) = told(folder.path(), "https://far") else { panic!("no source") };
        assert_eq!(source, Source { issuer: "https://far".to_owned(), private: false, ca: None });
        for issuer in ["https://idp/", "http://idp", "https://text", "https://large", ""] {
            assert!(told(folder.path(), issuer).is_none(), "{issuer}");
        }
        assert!(told(&folder.path().join("absent"), "https://idp").is_none());
    }
}
