//! What this crate reads and prints again decides as what it read: for every identity policy of the test tree.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

#[expect(clippy::string_slice, clippy::unwrap_used, reason = "shared with the tests of the engine")]
#[path = "../../policy/tests/it/documents.rs"]
mod documents;

use casemate_minimise::Document;
use casemate_policy::{
    Kind, Policy,
    compare::{self, Finding, Options, compare},
};

/// Work that one comparison may make, so that all of them end in seconds.
const STEPS: u64 = 200_000;

#[test]
fn what_is_read_and_printed_decides_as_before() {
    let (mut tried, mut proved) = (0, 0);
    for text in documents::documents().into_keys() {
        if Policy::parse(&text, Kind::Identity).is_err() {
            assert!(Document::parse("p", &text).is_err(), "{text}");
            continue;
        }
        let read = Document::parse("p", &text).unwrap();
        let printed = read.json().to_string();
        // What is read again is what was printed, and is printed in the same way.
        let again = Document::parse("p", &printed).unwrap();
        assert_eq!(again, read, "{text}");
        assert_eq!(again.json().to_string(), printed);

        let side = |text: &str| [compare::Document::parse("p", text, Kind::Identity).unwrap()];
        let options = Options { steps_max: STEPS, ..Options::default() };
        let found = compare(&side(&text), &side(&printed), &options);
        for one in [&found.more, &found.less] {
            assert!(!matches!(one, Finding::Witness(_)), "{text}\n{printed}\n{one:?}");
        }
        tried += 1;
        proved += usize::from([&found.more, &found.less].iter().all(|one| **one == Finding::Nothing));
    }
    assert!(tried >= 250, "only {tried} documents");
    assert!(proved * 10 >= tried * 8, "proved {proved} of {tried}");
}
