//! One-time codes in the inputs of operations. Whether they are right is the kernel's to find out.

use casemate_kernel::{BoxFuture, Evidence, Fault};

use crate::api::Error;

/// The code that an input brings, if it brings one.
pub(crate) fn mfa_evidence<'a>(
    serial: Option<&str>,
    code: Option<&str>,
) -> Option<BoxFuture<'a, Result<Evidence, Error>>> {
    let evidence = match (serial, code) {
        (None, None) => return None,
        (Some(serial), Some(code)) => Ok(Evidence::Mfa { serial: serial.to_owned(), code: code.to_owned() }),
        _ => {
            // AWS: text of AccessDenied.
            let text = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.";
            Err(Fault::coded("AccessDenied", 403, text).into())
        }
    };
    Some(Box::pin(std::future::ready(evidence)))
}
