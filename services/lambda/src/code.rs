//! A function's code as a request gives it, package or image, until it is kept.

use bytes::Bytes;
use casemate_store::{BlobId, WriteTx};

use crate::{Lambda, api::Error, image::ImageUse, packages::Received, resource::FunctionRef};

/// Code that is not a function's yet.
#[derive(Debug)]
pub(crate) enum Code {
    Package(Received),
    Image(ImageUse),
}

impl Code {
    /// Of a package its digest. Of an image, which is no blob here, one that no package has.
    pub(crate) fn id(&self) -> BlobId {
        match self {
            Self::Package(received) => received.id,
            Self::Image(image) => BlobId::of(image.digest.to_string().as_bytes()),
        }
    }

    /// Bytes of a package, and of what is in it.
    // AWS: the code size of an image is 0.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        match self {
            Self::Package(received) => (received.bytes, received.unpacked_bytes),
            Self::Image(_) => (0, 0),
        }
    }

    /// A package as it came.
    pub(crate) fn archive(&self) -> Option<Bytes> {
        match self {
            Self::Package(received) => Some(received.archive()),
            Self::Image(_) => None,
        }
    }

    pub(crate) fn image(&self) -> Option<&ImageUse> {
        match self {
            Self::Package(_) => None,
            Self::Image(image) => Some(image),
        }
    }
}

impl Lambda {
    /// Takes a package.
    pub(crate) async fn package(&self, archive: Option<Bytes>) -> Result<Code, Error> {
        let archive = archive.ok_or_else(|| {
            // AWS: text as the service words it.
            Error::invalid_parameter_value_exception("Please provide a source for function code.")
        })?;
        self.packages.receive(archive).await.map(Code::Package)
    }

    /// Looks an image up for a function.
    pub(crate) async fn image(&self, at: &FunctionRef, uri: Option<&str>) -> Result<ImageUse, Error> {
        let account = at.arn().account_id().map(|account| account.as_str().to_owned()).unwrap_or_default();
        ImageUse::resolve(&self.env, account, uri.unwrap_or_default()).await
    }

    /// Keeps code while `change` gives it to a function. `change` answers with the package the function had before.
    pub(crate) async fn adopt_code<R: Send + 'static>(
        &self,
        code: Code,
        change: impl Fn(&mut WriteTx<'_>) -> Result<(Option<BlobId>, R), Error> + Send + Sync + 'static,
    ) -> Result<R, Error> {
        match code {
            Code::Package(received) => self.packages.adopt(received, change).await,
            Code::Image(_) => {
                self.packages
                    .abandon(move |tx| change(tx).map(|(before, made)| (before.into_iter().collect(), made)))
                    .await
            }
        }
    }
}
