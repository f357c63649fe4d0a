//! An ARN that parses is rebuilt from its parts unchanged.

#![no_main]

use casemate_names::Arn;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(arn) = Arn::parse(text) {
        let parts = [arn.partition(), arn.service(), arn.region(), arn.account(), arn.resource()];
        assert_eq!(Arn::from_parts(parts), arn);
        assert_eq!(arn.as_str(), text);
    }
});
