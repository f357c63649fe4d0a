//! Why an image was not taken.

use std::{fmt, io, path::PathBuf};

/// An image, or a part of it, that cannot be used.
#[derive(Debug)]
pub enum OciError {
    /// A file of this host cannot be read or written.
    Io(PathBuf, io::Error),
    /// Neither a layout nor an archive of one, or something in it is missing or misshapen.
    Malformed(String),
    /// A blob that is not what its name says.
    Digest {
        /// The name.
        named: String,
        /// What it is.
        found: String,
    },
    /// A blob with more or fewer bytes than its descriptor says.
    Size {
        /// The blob.
        blob: String,
        /// What the descriptor says.
        said: u64,
    },
    /// A kind of blob that is not read here.
    MediaType(String),
    /// None of its variants runs on this machine.
    Platform(String),
    /// More than one of its images could be meant.
    Ambiguous(Vec<String>),
    /// An entry of a layer that may not be.
    Entry {
        /// Its name, lossy.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A limit is exceeded.
    TooLarge(String),
    /// What a registry answers, or that it does not.
    Registry(String),
    /// The store's own files are not as they should be.
    Store(String),
}

impl OciError {
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed(why.into())
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io(path, error)
    }

    pub(crate) fn entry(name: &[u8], why: &'static str) -> Self {
        Self::Entry { name: String::from_utf8_lossy(name).into_owned(), why }
    }
}

impl fmt::Display for OciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "`{}`: {error}", path.display()),
            Self::Malformed(why) | Self::TooLarge(why) | Self::Registry(why) | Self::Store(why) => {
                f.write_str(why)
            }
            Self::Digest { named, found } => write!(f, "the blob {named} holds {found}"),
            Self::Size { blob, said } => {
                write!(f, "the blob {blob} does not have the {said} bytes it should have")
            }
            Self::MediaType(kind) => write!(f, "blobs of type {kind:?} are not read here"),
            Self::Platform(why) => write!(f, "the image is not for this machine: {why}"),
            Self::Ambiguous(all) => {
                write!(f, "there are several images; say which one (--select): {}", all.join(", "))
            }
            Self::Entry { name, why } => write!(f, "the layer's entry {name:?} {why}"),
        }
    }
}

impl std::error::Error for OciError {}
