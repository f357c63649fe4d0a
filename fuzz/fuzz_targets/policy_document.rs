//! Any text is a policy or a typed error, in bounded time; never a panic.

#![no_main]

use casemate_policy::{Kind, Policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for kind in [Kind::Identity, Kind::Resource, Kind::Trust, Kind::Session, Kind::Authorizer] {
        drop(Policy::parse(text, kind));
    }
});
