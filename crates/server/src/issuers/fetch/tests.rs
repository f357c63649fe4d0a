use std::{collections::BTreeMap, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use casemate_jose::SigningKey;
use casemate_names::FakeClock;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A provider on a port of this machine, with a certificate of its own.
struct Provider {
    source: Source,
    asked: Arc<AtomicUsize>,
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Serves what `answers` says for each path, `ISSUER` standing for its own address.
async fn provider(answers: &[(&str, String)]) -> Provider {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let answers: BTreeMap<String, String> = answers
        .iter()
        .map(|(path, answer)| {
            let body = answer.replace("ISSUER", &issuer);
            let whole = if body.starts_with("HTTP/1.1") { body } else { ok(&body) };
            ((*path).to_owned(), whole)
        })
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            count.fetch_add(1, Ordering::Relaxed);
            let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned();
            let answer = answers.get(&path).cloned().unwrap_or(missing);
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    Provider { source: Source { issuer, private: true, ca: Some(made.cert.pem()) }, asked }
}

fn discovery(jwks_uri: &str) -> (&'static str, String) {
    (DISCOVERY, json!({ "issuer": "ISSUER", "jwks_uri": jwks_uri }).to_string())
}

fn keys() -> (&'static str, String) {
    let jwk = SigningKey::generate("k").unwrap().jwk();
    ("/keys", json!({ "keys": [jwk] }).to_string())
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_are_old() {
    let provider = provider(&[discovery("ISSUER/keys"), keys()]).await;
    let clock = Arc::new(FakeClock::at(Timestamp::from_seconds(1_000_000)));
    let fetcher = Fetcher::new(Arc::clone(&clock) as Arc<dyn Clock>);
    for _ in 0..3 {
        let keys = fetcher.keys(&provider.source).await.unwrap();
        assert_eq!(keys.iter().map(|(kid, _)| kid.as_str()).collect::<Vec<_>>(), ["k"]);
    }
    assert_eq!(provider.asked.load(Ordering::Relaxed), 2);
    clock.advance_seconds(FRESH_S);
    fetcher.keys(&provider.source).await.unwrap();
    assert_eq!(provider.asked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_private_address_is_refused_unless_the_operator_allows_it() {
    let provider = provider(&[discovery("ISSUER/keys"), keys()]).await;
    assert!(published(&provider.source).await.is_ok());
    let public = Source { private: false, ..provider.source.clone() };
    assert_eq!(published(&public).await.unwrap_err(), "an address other than https at its usual port");
    for (issuer, why) in [
        ("https://localhost", "a host without public address"),
        ("https://127.0.0.1", "a host that is an address"),
        ("https://169.254.169.254", "a host that is an address"),
        ("https://[::1]", "a host that is none"),
        ("http://localhost", "an address other than https at its usual port"),
        ("https://user@localhost", "an address without host"),
        ("file:///etc/passwd", "an address that is none"),
    ] {
        let source = Source { issuer: issuer.to_owned(), ..public.clone() };
        assert_eq!(published(&source).await.unwrap_err(), why, "{issuer}");
    }
    assert_eq!(provider.asked.load(Ordering::Relaxed), 2, "only the first was asked");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_ends_it() {
    let provider = provider(&[discovery("ISSUER/keys"), keys()]).await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let source = Source { ca: Some(other.cert.pem()), ..provider.source.clone() };
    assert_eq!(published(&source).await.unwrap_err(), "no TLS with a trusted certificate");
    assert_eq!(provider.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn redirects_other_issuers_plain_keys_and_long_answers_are_refused() {
    let redirect = "HTTP/1.1 302 Found\r\nlocation: ISSUER/keys\r\ncontent-length: 0\r\n\r\n".to_owned();
    let foreign = json!({ "issuer": "https://evil.example.com", "jwks_uri": "ISSUER/keys" }).to_string();
    let long = json!({ "keys": [], "x": "x".repeat(BODY_BYTES_MAX) }).to_string();
    for (answers, why) in [
        (vec![(DISCOVERY, redirect.clone()), keys()], "an answer other than 200"),
        (vec![discovery("ISSUER/keys"), ("/keys", redirect)], "an answer other than 200"),
        (vec![(DISCOVERY, foreign), keys()], "its discovery document is another issuer's"),
        (vec![(DISCOVERY, "[]".to_owned())], "its discovery document is none"),
        (vec![discovery("http://localhost/keys")], "an address other than https at its usual port"),
        (vec![discovery("ISSUER/keys"), ("/keys", long)], "an answer that is too long, or breaks off"),
        (vec![discovery("ISSUER/keys"), ("/keys", "{}".to_owned())], "its key set is none"),
        (vec![discovery("ISSUER/keys")], "an answer other than 200"),
    ] {
        let provider = provider(&answers).await;
        assert_eq!(published(&provider.source).await.unwrap_err(), why);
    }
}

#[tokio::test]
async fn a_failure_stands_for_a_moment() {
    let provider = provider(&[]).await;
    let clock = Arc::new(FakeClock::at(Timestamp::from_seconds(1_000_000)));
    let fetcher = Fetcher::new(Arc::clone(&clock) as Arc<dyn Clock>);
    for _ in 0..3 {
        assert!(fetcher.keys(&provider.source).await.is_err());
    }
    assert_eq!(provider.asked.load(Ordering::Relaxed), 1);
    clock.advance_seconds(FAILED_S);
    assert!(fetcher.keys(&provider.source).await.is_err());
    assert_eq!(provider.asked.load(Ordering::Relaxed), 2);
}
