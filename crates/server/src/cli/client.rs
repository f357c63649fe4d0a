//! A small signing HTTP client for the commands: one connection per request, the server's own CA for TLS.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use casemate_names::{Clock, Secret, SystemClock, sha256};
use casemate_schema::{Document, OpMeta};
use casemate_sigv4::{PathStyle, sign};
use casemate_wire::encode_request;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{CliError, ClientOptions};

/// Seconds for a whole request.
const REQUEST_S: u64 = 120;

/// Keys to sign with.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret: Secret<String>,
    pub(crate) session_token: Option<Secret<String>>,
}

/// Talks to one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    endpoint: Uri,
    region: String,
    keys: Option<Keys>,
    ca: Option<Vec<u8>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Client {
    /// A client from options: keys from the environment, else from the administrator file.
    pub(crate) fn from_options(options: &ClientOptions) -> Result<Self, CliError> {
        let keys = match (&options.access_key_id, &options.secret_access_key) {
            (Some(id), Some(secret)) => Some(Keys {
                access_key_id: id.clone(),
                secret: secret.clone(),
                session_token: options.session_token.clone(),
            }),
            _ => administrator(&options.data_dir.join("administrator")),
        };
        let ca = std::fs::read(options.data_dir.join("tls/ca.pem")).ok();
        Self::new(&options.endpoint_url, &options.region, keys, ca)
    }

    /// A client for `endpoint`.
    pub(crate) fn new(
        endpoint: &str,
        region: &str,
        keys: Option<Keys>,
        ca: Option<Vec<u8>>,
    ) -> Result<Self, CliError> {
        let endpoint: Uri = endpoint.parse().map_err(|_| format!("`{endpoint}` is not a URL"))?;
        if endpoint.host().is_none() || endpoint.scheme_str().is_none() {
            return Err(format!("`{endpoint}` is not a complete URL like http://localhost:4566").into());
        }
        Ok(Self { endpoint, region: region.to_owned(), keys, ca })
    }

    /// Are there keys to sign with?
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Calls an API operation; signed unless there are no keys.
    pub(crate) async fn call(&self, op: &'static OpMeta, input: &Document) -> Result<Answer, CliError> {
        let request = encode_request(op, input).map_err(|error| format!("{}: {error:?}", op.name))?;
        let headers: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        self.send(op.service.signing_name, request.method.as_str(), &request.target, headers, request.body)
            .await
    }

    /// Sends a request to `target` (path and query), signed for `service`.
    pub(crate) async fn send(
        &self,
        service: &str,
        method: &str,
        target: &str,
        mut headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<Answer, CliError> {
        let authority = self.endpoint.authority().map_or_else(String::new, ToString::to_string);
        headers.push(("host".to_owned(), authority));
        if let Some(keys) = &self.keys {
            let signer = sign::Signer {
                access_key_id: &keys.access_key_id,
                secret: &keys.secret,
                session_token: keys.session_token.as_ref().map(|token| token.expose().as_str()),
                region: &self.region,
                service,
                path_style: PathStyle::Normalise,
                at: SystemClock.now(),
            };
            let borrowed: Vec<(&str, &[u8])> =
                headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
            let head = casemate_sigv4::Head { method, target, headers: &borrowed };
            let added = sign::sign_headers(&signer, &head, &sha256(&body))?;
            headers.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let request =
            request.body(Full::new(body)).map_err(|error| format!("the request is malformed: {error}"))?;
        let exchange = tokio::time::timeout(Duration::from_secs(REQUEST_S), self.exchange(request));
        exchange.await.map_err(|_| format!("no answer from {} within {REQUEST_S} s", self.endpoint))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, CliError> {
        let host = self.endpoint.host().unwrap_or("localhost").trim_matches(['[', ']']).to_owned();
        let tls = self.endpoint.scheme_str() == Some("https");
        let port = self.endpoint.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| format!("cannot reach {}: {error}; is the server running?", self.endpoint))?;
        stream.set_nodelay(true)?;
        if tls {
            let connector = TlsConnector::from(Arc::new(self.tls_config()?));
            let stream = connector.connect(ServerName::try_from(host)?, stream).await?;
            roundtrip(TokioIo::new(stream), request).await
        } else {
            roundtrip(TokioIo::new(stream), request).await
        }
    }

    fn tls_config(&self) -> Result<ClientConfig, CliError> {
        let pem = self.ca.as_deref().ok_or("https needs the server's ca.pem (see --data-dir)")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; an answer of another status is an error with the server's message.
    pub(crate) fn json(&self) -> Result<serde_json::Value, CliError> {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        if self.status.is_success() {
            return Ok(value);
        }
        let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let code = text("__type").unwrap_or_else(|| self.status.to_string());
        let message = text("message").or_else(|| text("Message")).unwrap_or_else(|| self.text());
        Err(format!("{code}: {message}").into())
    }
}

async fn roundtrip<S>(stream: TokioIo<S>, request: Request<Full<Bytes>>) -> Result<Answer, CliError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let driver = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    driver.abort();
    Ok(Answer { status: parts.status, body })
}

/// The keys in an administrator file (shell exports); `None` if it is not there or not readable.
pub(crate) fn administrator(path: &Path) -> Option<Keys> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    Some(Keys {
        access_key_id: value("AWS_ACCESS_KEY_ID")?,
        secret: Secret::new(value("AWS_SECRET_ACCESS_KEY")?),
        session_token: None,
    })
}
