//! Links to packages: what `GetFunction` and the layers' operations answer as `Location`, and what such a link is good for.
//!
//! ```text
//! GetFunction ─▶ /_casemate/code/{ARN}?token={sealed: package, creation, end, request} ─▶ GET ─▶ the zip as it was uploaded
//! ```
//! Whoever has a link needs nothing else. It is sealed under the server's key for the one ARN in its path, so it can be neither read
//! nor altered, nor put before another function, and it ends by itself. Before a package goes out it is looked whether what the
//! ARN names still has it. Refuses to know how a request is answered ([`plane`] does).
//!
//! INVARIANT: a token is in the query, which no record shows, and nowhere else.
// AWS: "a link to download the deployment package that's valid for 10 minutes" (API reference of GetFunction; GetLayerVersion says
// the same of layers).
// DIVERGES: links lead to this server instead of a bucket of S3, and answer whole packages only, to GET.
// DIVERGES: a link ends when its function or layer version is deleted, and when `$LATEST` gets another package.

pub(crate) mod plane;
mod room;

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_kernel::{Env, Fault, Permit};
use casemate_names::{Arn, RequestId, Timestamp};
use casemate_store::{BlobId, ReadTx, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::{
    function::Function,
    layer::LayerVersion,
    resource::{FunctionRef, LayerRef},
    version,
};

/// Where links lead; the ARN of a function, of a version or of a layer version follows.
const PREFIX: &str = "/_casemate/code/";
/// The only thing in the query.
const TOKEN: &str = "token=";
/// How long a link is good, seconds.
// AWS: 10 minutes (API reference, GetFunction and GetLayerVersion).
const GOOD_FOR_S: i64 = 600;
/// Characters of a token. Ours are some four hundred.
const TOKEN_CHARS_MAX: usize = 2_048;
/// What tokens are sealed for.
const PURPOSE: &str = "lambda package link v1";

/// What a token says, besides the ARN it is sealed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    code: BlobId,
    /// [`Function::creation_id`]; empty for layers, whose numbers are never given twice.
    creation_id: String,
    until: Timestamp,
    /// The request that was answered with it.
    request_id: String,
}

/// Why a link leads to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dead {
    /// Not one that this server has given for this ARN, or altered since.
    Unknown,
    Expired,
    /// There is no such function, version or layer version any more, or it has another package.
    Gone,
}

/// A link to a function's package. `None`: its code is an image.
pub(crate) fn of_function(
    env: &Env,
    permit: &Permit,
    function: &Function,
) -> Result<Option<String>, StoreError> {
    if function.image.is_some() {
        return Ok(None);
    }
    let link = Link::new(permit, function.code, function.creation_id.clone());
    link.address(env, &function.arn).map(Some)
}

/// A link to a layer version's package.
pub(crate) fn of_layer(env: &Env, permit: &Permit, version: &LayerVersion) -> Result<String, StoreError> {
    Link::new(permit, version.code, String::new()).address(env, &version.arn)
}

/// The ARN in a link's path. `None`: the path is no link's.
fn arn_of(path: &str) -> Option<Arn> {
    let arn = Arn::parse(path.strip_prefix(PREFIX)?).ok()?;
    let function = FunctionRef::of_arn(&arn).is_some_and(|at| at.requested_arn() == arn);
    let layer = LayerRef::of_arn(&arn)
        .is_some_and(|(at, number)| number.is_some_and(|number| at.version_arn(number) == arn));
    (function || layer).then_some(arn)
}

impl Link {
    fn new(permit: &Permit, code: BlobId, creation_id: String) -> Self {
        let until = permit.now().plus_seconds(GOOD_FOR_S);
        Self { code, creation_id, until, request_id: permit.request_id().as_str().to_owned() }
    }

    fn address(&self, env: &Env, arn: &Arn) -> Result<String, StoreError> {
        let token = self.sealed(&env.store, arn)?;
        Ok(format!("{}{PREFIX}{arn}?{TOKEN}{token}", env.site.endpoint.trim_end_matches('/')))
    }

    fn sealed(&self, store: &Store, arn: &Arn) -> Result<String, StoreError> {
        let plain = serde_json::to_vec(self).map_err(|error| StoreError::Engine(error.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(store.seal_for(PURPOSE, arn.as_str(), &plain)?))
    }

    /// What a query brings for this ARN, however old.
    // The seal is AES-GCM: altered bytes do not open, and its tag is compared in constant time.
    fn open(store: &Store, arn: &Arn, query: &str) -> Result<Self, Dead> {
        let token = query.strip_prefix(TOKEN).filter(|token| token.len() <= TOKEN_CHARS_MAX);
        let sealed = token.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
        let plain = sealed.and_then(|sealed| store.open_for(PURPOSE, arn.as_str(), sealed));
        plain.and_then(|plain| serde_json::from_slice(&plain).ok()).ok_or(Dead::Unknown)
    }

    /// The package and its size in bytes, while the link is good and what it was made for has the package.
    fn package(&self, env: &Env, arn: &Arn, now: Timestamp) -> Result<Result<(BlobId, u64), Dead>, Fault> {
        if now >= self.until {
            return Ok(Err(Dead::Expired));
        }
        let found = env.store.read(|tx| self.found(tx, arn))?;
        Ok(found.map(|bytes| (self.code, bytes)).ok_or(Dead::Gone))
    }

    fn found(&self, tx: &ReadTx<'_>, arn: &Arn) -> Result<Option<u64>, StoreError> {
        if let Some((layer, Some(number))) = LayerRef::of_arn(arn) {
            let version = tx.get::<LayerVersion>(&layer.version_key(number))?;
            return Ok(version.filter(|version| version.code == self.code).map(|version| version.code_bytes));
        }
        let Some(at) = FunctionRef::of_arn(arn) else { return Ok(None) };
        let function = version::resolve(tx, &at, None)?.filter(|function| {
            function.image.is_none() && function.code == self.code && function.creation_id == self.creation_id
        });
        Ok(function.map(|function| function.code_bytes))
    }

    fn request_id(&self) -> RequestId {
        RequestId::new(self.request_id.clone())
    }
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the link is not one that was given for this ARN",
            Self::Expired => "the link has expired",
            Self::Gone => "what the link was given for is gone, or has another package",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_names::NamedEntropy;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    fn store(seed: u64) -> Store {
        Store::in_memory(Arc::new(NamedEntropy::seeded(seed)))
    }

    fn link() -> Link {
        Link {
            code: BlobId::of(b"zip"),
            creation_id: "c".repeat(36),
            until: Timestamp::from_seconds(600),
            request_id: "r".repeat(36),
        }
    }

    #[test]
    fn a_token_opens_for_its_own_arn_only_and_says_nothing_to_who_reads_it() {
        let store = store(1);
        let token = link().sealed(&store, &arn(FUNCTION)).unwrap();
        assert!(token.len() < TOKEN_CHARS_MAX / 2, "{}", token.len());
        let query = format!("{TOKEN}{token}");
        assert_eq!(Link::open(&store, &arn(FUNCTION), &query), Ok(link()));
        let plain = URL_SAFE_NO_PAD.decode(&token).unwrap();
        assert!(!plain.windows(8).any(|part| part == b"cccccccc" || part == b"creation"));
        for other in [
            "arn:aws:lambda:us-east-1:123456789012:function:g",
            "arn:aws:lambda:us-east-1:123456789012:function:f:1",
            "arn:aws:lambda:us-east-1:210987654321:function:f",
            "arn:aws:lambda:us-east-1:123456789012:layer:f:1",
        ] {
            assert_eq!(Link::open(&store, &arn(other), &query), Err(Dead::Unknown), "{other}");
        }
        // Under another server's root key.
        assert_eq!(Link::open(&self::store(2), &arn(FUNCTION), &query), Err(Dead::Unknown));
    }

    #[test]
    fn what_was_altered_cut_lengthened_or_never_given_opens_nothing() {
        let store = store(1);
        let token = link().sealed(&store, &arn(FUNCTION)).unwrap();
        let sealed = URL_SAFE_NO_PAD.decode(&token).unwrap();
        let mut bad: Vec<String> = (0..sealed.len())
            .map(|at| {
                let mut altered = sealed.clone();
                altered[at] ^= 1;
                format!("{TOKEN}{}", URL_SAFE_NO_PAD.encode(altered))
            })
            .collect();
        bad.extend([
            String::new(),
            TOKEN.to_owned(),
            token.clone(),
            format!("{TOKEN}{}", token.get(..token.len() - 4).unwrap()),
            format!("{TOKEN}{token}AAAA"),
            format!("{TOKEN}{token}&x=1"),
            format!("x=1&{TOKEN}{token}"),
            format!("{TOKEN}{}", "A".repeat(TOKEN_CHARS_MAX + 1)),
            format!("{TOKEN}{}", "A".repeat(100)),
        ]);
        for query in bad {
            assert_eq!(Link::open(&store, &arn(FUNCTION), &query), Err(Dead::Unknown), "{query}");
        }
        // Sealed by us for something else.
        let other = store.seal_for("authorization message v1", FUNCTION, b"{}").unwrap();
        let query = format!("{TOKEN}{}", URL_SAFE_NO_PAD.encode(other));
        assert_eq!(Link::open(&store, &arn(FUNCTION), &query), Err(Dead::Unknown));
    }

    #[test]
    fn paths_are_links_only_where_a_package_could_be() {
        let at = |arn: &str| arn_of(&format!("{PREFIX}{arn}"));
        for good in [FUNCTION, &format!("{FUNCTION}:7"), "arn:aws:lambda:us-east-1:123456789012:layer:l:3"] {
            assert_eq!(at(good), Some(arn(good)));
        }
        for bad in [
            "",
            "f",
            "arn:aws:s3:::bucket",
            "arn:aws:lambda:us-east-1:123456789012:layer:l",
            "arn:aws:lambda:us-east-1:123456789012:layer:l:0",
            "arn:aws:lambda:us-east-1:123456789012:layer:l:3:4",
            "arn:aws:lambda:us-east-1::function:f",
            &format!("{FUNCTION}:7:8"),
            &format!("{FUNCTION}:$LATEST"),
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
        assert_eq!(arn_of(&format!("/x{PREFIX}{FUNCTION}")), None);
    }
}
