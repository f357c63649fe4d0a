//! The seam through which the keys of token issuers are read. Knows no issuer: who opens the service says where keys are.

use std::{fmt, sync::Arc};

use casemate_jose::VerifyingKey;
use casemate_kernel::BoxFuture;
use casemate_names::AccountId;

/// The public keys of an issuer by key id.
pub type IssuerKeySet = Vec<(String, Arc<VerifyingKey>)>;

/// Finds the keys of registered issuers. Only issuers that are registered in an account are ever asked for.
pub trait IssuerKeys: fmt::Debug + Send + Sync {
    /// The keys of `issuer` as of now, for tokens presented to `account`; `None` where there is no way to its keys.
    fn keys<'a>(
        &'a self,
        issuer: &'a str,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<IssuerKeySet>, Unreachable>>;
}

/// There is a way to the issuer's keys, and it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreachable;

/// Nobody's keys.
#[derive(Debug, Clone, Copy)]
pub struct NoIssuers;

impl IssuerKeys for NoIssuers {
    fn keys<'a>(
        &'a self,
        _issuer: &'a str,
        _account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<IssuerKeySet>, Unreachable>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}
