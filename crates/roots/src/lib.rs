//! Roots for execution environments that the host does not have by itself: folders that an operator added as runtimes.
//!
//! Here they are looked at, and remembered with a digest of all they hold. Knows no functions and starts nothing; what is
//! shown of a root to an environment, `casemate-sandbox` decides.

pub mod table;
pub mod tree;
