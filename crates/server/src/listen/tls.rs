//! The local certificate authority and the server's certificate, made on first start.
//!
//! ```text
//! data/tls/ca.pem      give this to clients (AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS)
//! data/tls/ca.key      0600
//! data/tls/server.pem  data/tls/server.key (0600)     made again when fewer than 30 days are left
//! ```

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use casemate_names::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

/// Days a server certificate is valid, besides the day it is dated back. Browsers accept at most 398 in all.
const SERVER_DAYS: i64 = 396;
/// A certificate with fewer days left is made again at start.
const RENEWAL_DAYS: i64 = 30;
/// Days the authority is valid.
const AUTHORITY_DAYS: i64 = 3_650;

/// TLS could not be set up.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read or written.
    Io(PathBuf, io::Error),
    /// A file is not what it should be, or a certificate cannot be made.
    Certificate(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "`{}`: {error}", path.display()),
            Self::Certificate(text) => write!(f, "certificate: {text}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// Loads or makes authority and certificate in `directory` for `names` (besides localhost).
pub fn acceptor(directory: &Path, names: &[String], now: Timestamp) -> Result<TlsAcceptor, TlsError> {
    fs::create_dir_all(directory).map_err(|e| TlsError::Io(directory.to_owned(), e))?;
    let authority = authority(directory, now)?;
    let mut wanted: Vec<String> =
        ["localhost", "127.0.0.1", "::1", "*.execute-api.localhost"].map(str::to_owned).into();
    wanted.extend(names.iter().cloned());
    let (certificate, key) = server(directory, &authority, &wanted, now)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError::Certificate(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(vec![certificate, authority.certificate], key)
        .map_err(|e| TlsError::Certificate(e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Authority {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

fn authority(directory: &Path, now: Timestamp) -> Result<Authority, TlsError> {
    let (pem_path, key_path) = (directory.join("ca.pem"), directory.join("ca.key"));
    if !belong_together(&pem_path, &key_path) {
        let key = KeyPair::generate().map_err(made)?;
        // A certificate of the old authority would be trusted by nobody who trusts the new one.
        forget(&directory.join("server.until"))?;
        let certificate = authority_params(now).self_signed(&key).map_err(made)?;
        write(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
        write(&pem_path, certificate.pem().as_bytes(), 0o644)?;
    }
    let key = KeyPair::from_pem(&read(&key_path)?).map_err(made)?;
    let certificate = CertificateDer::from_pem_slice(read(&pem_path)?.as_bytes())
        .map_err(|e| TlsError::Certificate(e.to_string()))?;
    Ok(Authority { certificate, key })
}

fn authority_params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Casemate local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, AUTHORITY_DAYS);
    params
}

fn server(
    directory: &Path,
    authority: &Authority,
    names: &[String],
    now: Timestamp,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), TlsError> {
    let (pem_path, key_path) = (directory.join("server.pem"), directory.join("server.key"));
    let stamp_path = directory.join("server.until");
    let stamp = format!("{}\n{}\n", now.plus_seconds(SERVER_DAYS * 86_400).iso8601(), names.join("\n"));
    if !is_current(&stamp_path, names, now) || !belong_together(&pem_path, &key_path) {
        let key = KeyPair::generate().map_err(made)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(made)?;
        params.distinguished_name = name("Casemate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, SERVER_DAYS);
        let issuer_params = authority_params(now);
        let issuer = Issuer::new(issuer_params, &authority.key);
        let certificate = params.signed_by(&key, &issuer).map_err(made)?;
        write(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
        write(&pem_path, certificate.pem().as_bytes(), 0o644)?;
        write(&stamp_path, stamp.as_bytes(), 0o644)?;
    }
    let certificate = CertificateDer::from_pem_slice(read(&pem_path)?.as_bytes())
        .map_err(|e| TlsError::Certificate(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(read(&key_path)?.as_bytes())
        .map_err(|e| TlsError::Certificate(e.to_string()))?;
    Ok((certificate, key))
}

/// Are both files there and is the certificate the key's? A crash between writing the two, or a file put back from a
/// backup, must not leave a server that nobody can talk to.
fn belong_together(pem_path: &Path, key_path: &Path) -> bool {
    let (Ok(pem), Ok(key)) = (fs::read_to_string(pem_path), fs::read_to_string(key_path)) else {
        return false;
    };
    let (Ok(certificate), Ok(key)) =
        (CertificateDer::from_pem_slice(pem.as_bytes()), KeyPair::from_pem(&key))
    else {
        return false;
    };
    let public = key.public_key_raw();
    certificate.windows(public.len()).any(|window| window == public)
}

fn forget(path: &Path) -> Result<(), TlsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TlsError::Io(path.to_owned(), error)),
        _ => Ok(()),
    }
}

fn is_current(stamp_path: &Path, names: &[String], now: Timestamp) -> bool {
    let Ok(stamp) = fs::read_to_string(stamp_path) else { return false };
    let mut lines = stamp.lines();
    let until = lines.next().and_then(|line| Timestamp::parse_iso8601(line).ok());
    until.is_some_and(|until| until > now.plus_seconds(RENEWAL_DAYS * 86_400)) && lines.eq(names.iter())
}

fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let date = |at: Timestamp| {
        let c = at.civil();
        let month = u8::try_from(c.month).unwrap_or(1);
        date_time_ymd(i32::try_from(c.year).unwrap_or(1970), month, u8::try_from(c.day).unwrap_or(1))
    };
    // A day back, for clients whose clock is behind.
    params.not_before = date(now.plus_seconds(-86_400));
    params.not_after = date(now.plus_seconds(days * 86_400));
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

#[expect(clippy::needless_pass_by_value, reason = "used as a mapping function")]
fn made(error: rcgen::Error) -> TlsError {
    TlsError::Certificate(error.to_string())
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|e| TlsError::Io(path.to_owned(), e))
}

/// Writes beside and renames, so that a crash leaves no half file.
fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), TlsError> {
    let failed = |e| TlsError::Io(path.to_owned(), e);
    let beside = path.with_extension("new");
    drop(fs::remove_file(&beside));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed)?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}
