//! The engine against a slow, literal reading of AWS's documentation, and against lists of what must never happen.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod grammar;
mod layers;
mod operators;
mod properties;
mod reference;
mod support;
mod wrong_allow;
