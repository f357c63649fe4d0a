//! The SDK's HTTP client over a plain socket. It remembers what the verifier said of the last request, which no output of
//! the SDK shows.
//!
//! Addresses that begin with `https` are called in the clear, as behind a proxy that ends TLS: only for them does the SDK
//! leave chunks unsigned.

use std::sync::{Arc, Mutex};

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};

#[derive(Debug, Clone)]
pub struct Wire {
    inner: Arc<Connector>,
    verdict: Arc<Mutex<String>>,
}

impl Wire {
    pub fn new() -> Self {
        Self { inner: Arc::new(Connector::builder().build_http()), verdict: Arc::default() }
    }

    /// Form of signature and digest of the body that the last answer told, separated by a tab.
    pub fn verdict(&self) -> String {
        self.verdict.lock().map(|verdict| verdict.clone()).unwrap_or_default()
    }
}

impl HttpConnector for Wire {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some(rest) = request.uri().strip_prefix("https:") {
            let plain = format!("http:{rest}");
            if let Err(error) = request.set_uri(plain) {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        }
        let (answer, verdict) = (self.inner.call(request), Arc::clone(&self.verdict));
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            let header = |name| answer.headers().get(name).unwrap_or("-").to_owned();
            if let Ok(mut verdict) = verdict.lock() {
                *verdict = format!("{}\t{}", header("x-verified"), header("x-body-sha256"));
            }
            Ok(answer)
        })
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
