//! The key above all others: 32 bytes in a file only its owner can read, outside the database.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::hmac;
use casemate_names::{Entropy, Secret};
use zeroize::Zeroizing;

/// Length of a root key in bytes (AES-256, HMAC-SHA-256).
const ROOT_KEY_BYTES: usize = 32;

/// The installation's root key. Everything sealed is sealed under a key derived from it. Wiped on drop, never printed.
#[derive(Clone)]
pub struct RootKey(Secret<[u8; ROOT_KEY_BYTES]>);

/// A key file that cannot be used.
#[derive(Debug)]
pub enum RootKeyError {
    /// It cannot be read or made.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read or write it.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not exactly 32 bytes.
    Malformed(PathBuf),
}

impl RootKey {
    /// Reads the key at `path`; makes it first (mode 0600, durable before it is used) if there is no such file.
    pub fn load_or_create(path: &Path, entropy: &dyn Entropy) -> Result<Self, RootKeyError> {
        match Self::load(path) {
            Err(RootKeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path, entropy).map_err(|source| RootKeyError::Io { path: path.to_owned(), source })?;
                Self::load(path)
            }
            outcome => outcome,
        }
    }

    /// Reads the key at `path`. A file that others may read is refused: the key must be considered known to them.
    pub fn load(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(RootKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut bytes = Zeroizing::new([0_u8; ROOT_KEY_BYTES]);
        let whole = file.read_exact(bytes.as_mut()).is_ok() && matches!(file.read(&mut [0]), Ok(0));
        if whole { Ok(Self::from_bytes(*bytes)) } else { Err(RootKeyError::Malformed(path.to_owned())) }
    }

    /// A fresh key that lives in memory only.
    pub fn ephemeral(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0_u8; ROOT_KEY_BYTES]);
        entropy.fill("store.root-key", bytes.as_mut());
        Self::from_bytes(*bytes)
    }

    /// Takes key material made elsewhere.
    pub fn from_bytes(bytes: [u8; ROOT_KEY_BYTES]) -> Self {
        Self(Secret::new(bytes))
    }

    /// A key for one purpose: HMAC-SHA-256 of the purpose and a salt. Knowing it says nothing about its siblings.
    /// For the few that need keys of their own beside the store (session tokens, page tokens).
    pub fn derive(&self, purpose: &'static str, salt: &[u8]) -> Secret<[u8; 32]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        let mut context = hmac::Context::with_key(&key);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(salt);
        let mut derived = Zeroizing::new([0_u8; 32]);
        for (to, from) in derived.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Secret::new(*derived)
    }
}

/// Writes a new key beside its place and links it there, so that the name never shows half a key and two processes
/// never make two.
fn create(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0_u8; ROOT_KEY_BYTES]);
    entropy.fill("store.root-key", bytes.as_mut());
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes.as_ref())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(directory)?.sync_all()
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

impl fmt::Display for RootKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "cannot use the root key {}: {source}", path.display()),
            Self::Exposed { path, mode } => {
                write!(
                    f,
                    "the root key {} has mode {mode:04o}; only its owner may have access (0600)",
                    path.display()
                )
            }
            Self::Malformed(path) => write!(f, "the root key {} is not exactly 32 bytes", path.display()),
        }
    }
}

impl std::error::Error for RootKeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Exposed { .. } | Self::Malformed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_after() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        let first = RootKey::load_or_create(&path, &NamedEntropy::seeded(1)).unwrap();
        let second = RootKey::load_or_create(&path, &NamedEntropy::seeded(2)).unwrap();
        assert_eq!(first.0, second.0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        RootKey::load_or_create(&path, &NamedEntropy::seeded(1)).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(RootKey::load(&path), Err(RootKeyError::Exposed { .. })));
        }
    }

    #[test]
    fn a_short_or_long_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        for length in [0, 31, 33] {
            fs::write(&path, vec![7; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(RootKey::load(&path), Err(RootKeyError::Malformed(_))));
        }
    }

    #[test]
    fn purposes_and_salts_give_different_keys() {
        let root = RootKey::from_bytes([1; 32]);
        assert_ne!(root.derive("a", b""), root.derive("b", b""));
        assert_ne!(root.derive("a", b"1"), root.derive("a", b"2"));
        assert_eq!(format!("{root:?}"), "RootKey(..)");
    }
}
