//! Authorizers: who may call, decided outside the API.
//!
//! Each submodule is synchronous; calling the function is the data plane's.

pub(crate) mod cache;
pub(crate) mod cognito;
pub(crate) mod lambda;
