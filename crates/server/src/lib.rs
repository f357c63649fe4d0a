//! Casemate's server: puts the kernel, the services and the listeners together, and the command line around them.
//!
//! [`catalog`] is the only list of services, [`trust`] the only list of edges between them, [`boot`] opens a data
//! directory, [`listen`] the sockets, [`cli`] the commands.

pub mod admin;
pub mod boot;
pub mod catalog;
pub mod cli;
pub mod clock_skew;
mod issuers;
pub mod listen;
pub mod trust;
