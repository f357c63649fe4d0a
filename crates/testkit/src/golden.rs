//! Golden files: what was seen once, looked over by a person, and must not change unnoticed.

use std::{fs, path::Path};

/// Set to `1`, golden files are written instead of compared. Documented in `CONTRIBUTING.md`.
const UPDATE: &str = "CASEMATE_UPDATE_GOLDEN";

/// Compares `actual` with the file at `path`, or writes it when `CASEMATE_UPDATE_GOLDEN=1`. Use through [`golden!`].
pub fn compare_with_golden(path: &Path, actual: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for the person running the tests, not configuration"
    )]
    let update = std::env::var(UPDATE).is_ok_and(|value| value == "1");
    if update {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
        }
        fs::write(path, actual).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_else(|error| {
        panic!(
            "no golden file {}: {error}; make it with {UPDATE}=1 and look it over. Seen:\n{actual}",
            path.display()
        )
    });
    assert!(
        expected == actual,
        "differs from {} (update with {UPDATE}=1 if that is meant)\n{}",
        path.display(),
        difference(&expected, actual)
    );
}

/// Compares text with a file under `tests/golden/` of the crate that calls it.
#[macro_export]
macro_rules! golden {
    ($path:expr, $actual:expr) => {
        $crate::compare_with_golden(
            &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join($path),
            &$actual,
        )
    };
}

/// The lines that differ, with their numbers; the first few are enough.
fn difference(expected: &str, actual: &str) -> String {
    let (mut old, mut new) = (expected.lines(), actual.lines());
    let mut shown = Vec::new();
    for number in 1.. {
        let (was, is) = (old.next(), new.next());
        if was.is_none() && is.is_none() || shown.len() > 20 {
            break;
        }
        if was != is {
            shown.extend(was.map(|line| format!("{number}: - {line}")));
            shown.extend(is.map(|line| format!("{number}: + {line}")));
        }
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_both_sides_with_line_numbers() {
        assert_eq!(difference("a\nb\nc", "a\nx\nc\nd"), "2: - b\n2: + x\n4: + d");
    }

    #[test]
    #[should_panic(expected = "no golden file")]
    fn a_missing_file_fails_instead_of_being_made() {
        compare_with_golden(Path::new("/nonexistent/golden"), "x");
    }
}
