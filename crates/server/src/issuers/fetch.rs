//! Fetches the published keys of an issuer for which the operator has allowed it: discovery document, then key set. HTTPS
//! only, certificates checked, public addresses only unless the operator says otherwise; no redirects, no more than so many
//! bytes and seconds, and not again while an answer is fresh.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use casemate_jose::read_key_set;
use casemate_names::{Clock, Timestamp};
use casemate_sts::{IssuerKeySet, Unreachable};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde::Deserialize;
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::TlsConnector;

use super::address::is_public;

/// Seconds for both documents together.
const FETCH_S: u64 = 5;
/// Bytes of one document.
const BODY_BYTES_MAX: usize = 128 * 1024;
/// How long keys are good for without being fetched again, and how long a failure stands, seconds.
const FRESH_S: i64 = 300;
const FAILED_S: i64 = 30;
/// Fetches at a time: callers need no credentials to cause one.
const WIDTH: usize = 4;
/// Where systems keep the certificates they trust.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// An issuer whose keys may be fetched, as the operator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) issuer: String,
    /// It may be at an address that is not public, and under any port.
    pub(super) private: bool,
    /// Certificates to trust instead of the system's, PEM.
    pub(super) ca: Option<String>,
}

/// Fetches, and keeps what it has fetched.
#[derive(Debug)]
pub(super) struct Fetcher {
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<String, Kept>>,
    width: Semaphore,
}

#[derive(Debug, Clone)]
struct Kept {
    source: Source,
    until: Timestamp,
    keys: Result<IssuerKeySet, Unreachable>,
}

impl Fetcher {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default(), width: Semaphore::new(WIDTH) }
    }

    /// The keys of an issuer, fetched some minutes ago at most.
    pub(super) async fn keys(&self, source: &Source) -> Result<IssuerKeySet, Unreachable> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&source.issuer).cloned();
        if let Some(kept) = kept.filter(|kept| kept.source == *source && self.clock.now() < kept.until) {
            return kept.keys;
        }
        // Rather refuse than queue: whoever waits holds a connection.
        let permit = self.width.try_acquire().map_err(|_| Unreachable)?;
        let fetched = tokio::time::timeout(Duration::from_secs(FETCH_S), published(source)).await;
        drop(permit);
        let keys = fetched.unwrap_or(Err("it took too long")).map_err(|why| {
            tracing::warn!(issuer = source.issuer, why, "the keys of an issuer could not be fetched");
            Unreachable
        });
        let until = self.clock.now().plus_seconds(if keys.is_ok() { FRESH_S } else { FAILED_S });
        let entry = Kept { source: source.clone(), until, keys: keys.clone() };
        // No more entries than the operator names issuers.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(source.issuer.clone(), entry);
        keys
    }
}

/// OpenID Connect Discovery 1.0 §4.
async fn published(source: &Source) -> Result<IssuerKeySet, &'static str> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
        jwks_uri: String,
    }
    let tls = connector(source)?;
    let address = format!("{}/.well-known/openid-configuration", source.issuer.trim_end_matches('/'));
    let document = get(source, &tls, &address).await?;
    let discovery: Discovery =
        serde_json::from_slice(&document).map_err(|_| "its discovery document is none")?;
    if discovery.issuer != source.issuer {
        return Err("its discovery document is another issuer's");
    }
    let document = get(source, &tls, &discovery.jwks_uri).await?;
    read_key_set(&document).ok_or("its key set is none")
}

/// One document.
async fn get(source: &Source, tls: &TlsConnector, address: &str) -> Result<Bytes, &'static str> {
    let uri: Uri = address.parse().map_err(|_| "an address that is none")?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let authority = authority.ok_or("an address without host")?;
    let port = authority.port_u16().unwrap_or(443);
    if uri.scheme_str() != Some("https") || (port != 443 && !source.private) {
        return Err("an address other than https at its usual port");
    }
    let host = authority.host();
    let name = match ServerName::try_from(host.to_owned()).map_err(|_| "a host that is none")? {
        ServerName::IpAddress(_) if !source.private => return Err("a host that is an address"),
        name => name,
    };
    // INVARIANT: the address that is connected to is the one that was judged; the name is not resolved again.
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(|_| "a host that is unknown")?;
    let target: SocketAddr =
        found.find(|found| source.private || is_public(found.ip())).ok_or("a host without public address")?;
    let stream = TcpStream::connect(target).await.map_err(|_| "no connection")?;
    let stream = tls.connect(name, stream).await.map_err(|_| "no TLS with a trusted certificate")?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header("host", authority.as_str())
        .header("accept", "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| "an address that is none")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| "no HTTP connection")?;
    let driver = AbortOnDrop(tokio::spawn(async move { drop(connection.await) }));
    let answer = sender.send_request(request).await.map_err(|_| "no answer")?;
    // A redirect is an answer of another status too.
    if answer.status() != StatusCode::OK {
        return Err("an answer other than 200");
    }
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
    drop(driver);
    Ok(body.map_err(|_| "an answer that is too long, or breaks off")?.to_bytes())
}

/// The task of a connection ends with whoever waits for it, also when that takes too long.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn connector(source: &Source) -> Result<TlsConnector, &'static str> {
    let mut roots = RootCertStore::empty();
    let bundle = match &source.ca {
        Some(pem) => pem.clone().into_bytes(),
        None => BUNDLES
            .iter()
            .find_map(|path| std::fs::read(path).ok())
            .ok_or("the system has no bundle of trusted certificates")?,
    };
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).filter_map(Result::ok));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS cannot be set up")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests;
