//! Mutation testing of the code that decides: `cargo mutants` over one file after the other, and the score in
//! docs/mutation-score.md. Knows which tests judge which crate quickest, nothing of what the mutants mean: that is
//! docs/mutation.md's to say.

use std::{collections::BTreeSet, fmt::Write as _, path::Path, process::Command};

use crate::{Outcome, files};

const PAGE: &str = "docs/mutation-score.md";
/// Where results are kept, so that a run that was ended goes on: every mutant that is settled is not tried again.
const RESULTS: &str = "target/mutants";
/// Seconds that the tests may take with a mutant; without one they take about two.
const TIMEOUT_S: &str = "60";

/// The files of one crate and the tests that judge their mutants.
struct Judged {
    package: &'static str,
    folder: &'static str,
    files: &'static [&'static str],
    /// Arguments of `cargo test`.
    tests: &'static [&'static str],
}

const ALL: &[Judged] = &[
    Judged {
        package: "casemate-kernel",
        folder: "crates/kernel/src",
        files: &[
            "gate",
            "ceilings",
            "resource_account",
            "context",
            "organization_keys",
            "access",
            "caller",
            "authn",
            "session",
            "session_table",
            "session_user",
            "temporary",
            "pipeline",
            "invoke",
            "operation",
            "decoys",
            "refusal",
            "foresight",
        ],
        tests: &["--lib", "--test", "it"],
    },
    Judged {
        package: "casemate-policy",
        folder: "crates/policy/src",
        files: &[
            "decide",
            "principal",
            "operator",
            "glob",
            "index",
            "condition",
            "statement",
            "action",
            "policy",
            "head_table",
            "scalar",
            "parse",
            "form",
            "arn",
            "template",
            "truth",
            "public",
            "json",
            "rewrite",
        ],
        // The comparer and the random policies judge too, but slowly: without them fewer mutants are caught, not more.
        tests: &["--lib", "--test", "it", "--", "--skip", "compare", "--skip", "compiled_"],
    },
];

/// Fewer cases and no shrinking: that something fails is enough. No debug information: building is most of the time.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("CARGO_PROFILE_TEST_DEBUG", "0"),
    ("CARGO_INCREMENTAL", "1"),
    ("PROPTEST_CASES", "16"),
    ("PROPTEST_MAX_SHRINK_ITERS", "1"),
    ("RUSTFLAGS", "--cap-lints=allow"),
];

/// `mutants [FILE…]`: tries the mutants of these files, or of all, that are not settled yet. `--score` only counts.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let (score_only, wanted) = match arguments.split_first() {
        Some((&"--score", rest)) => (true, rest),
        _ => (false, arguments),
    };
    let chosen = chosen(wanted)?;
    if !score_only {
        unchanged()?;
        for judged in ALL.iter().filter(|judged| chosen.iter().any(|(one, _)| one.package == judged.package))
        {
            passes_without(judged)?;
        }
        for (judged, file) in &chosen {
            try_all(judged, file)?;
        }
    }
    let results = files::root().join(RESULTS);
    let scores: Vec<Score> =
        chosen.iter().filter_map(|(judged, file)| Score::read(&results, judged, file)).collect();
    let path = files::root().join(PAGE);
    let page = page(&files::read(&path).unwrap_or_default(), &scores);
    files::write(&path, &page)?;
    let missed: Vec<&str> = scores.iter().flat_map(|score| &score.missed).map(String::as_str).collect();
    Ok(format!("{page}\n{}", missed.join("\n")))
}

/// The files that were asked for, by path from the root; all without any.
fn chosen(wanted: &[&str]) -> Result<Vec<(&'static Judged, &'static str)>, String> {
    let all = || ALL.iter().flat_map(|judged| judged.files.iter().map(move |file| (judged, *file)));
    if let Some(unknown) =
        wanted.iter().find(|path| !all().any(|(judged, file)| path_of(judged, file) == **path))
    {
        return Err(format!("no mutants are judged of `{unknown}`; see xtask/src/mutants.rs"));
    }
    let asked = |judged, file| wanted.is_empty() || wanted.contains(&path_of(judged, file).as_str());
    Ok(all().filter(|(judged, file)| asked(judged, file)).collect())
}

fn path_of(judged: &Judged, file: &str) -> String {
    format!("{}/{file}.rs", judged.folder)
}

fn folder_of(judged: &Judged, file: &str) -> String {
    format!("{}-{file}", judged.package)
}

/// The mutants are made in place: what is not committed could be lost among them.
fn unchanged() -> Result<(), String> {
    let listing = Command::new("git")
        .args(["status", "--porcelain", "--", "crates"])
        .current_dir(files::root())
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if listing.stdout.is_empty() {
        return Ok(());
    }
    Err("mutants are made in place: commit or put away the changes in crates/ first, or use a clone"
        .to_owned())
}

/// The tests that judge must pass without a mutant: those that fail anyway would catch every one.
fn passes_without(judged: &Judged) -> Result<(), String> {
    let status = Command::new(env!("CARGO"))
        .current_dir(files::root())
        .envs(ENVIRONMENT.iter().copied())
        .args(["test", "-p", judged.package])
        .args(judged.tests)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("the tests of {} fail without any mutant ({status}): nothing was tried", judged.package))
}

fn try_all(judged: &Judged, file: &str) -> Result<(), String> {
    let results = files::root().join(RESULTS).join(folder_of(judged, file));
    std::fs::create_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    // Its output goes to the terminal as it comes: this takes minutes. It fails where a mutant is missed.
    let status = Command::new(env!("CARGO"))
        .current_dir(files::root())
        .envs(ENVIRONMENT.iter().copied())
        .args(["mutants", "--in-place", "--iterate", "--baseline=skip", "--timeout", TIMEOUT_S])
        .args(["-p", judged.package, "-f", &path_of(judged, file), "-o"])
        .arg(&results)
        .arg("--")
        .args(judged.tests)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    // Its exit codes: 2 for missed mutants, 3 for a timeout among them; both are results.
    match status.code() {
        Some(0 | 2 | 3) => remember_unviable(&results),
        _ => Err(format!("{}: cargo mutants ended with {status}", path_of(judged, file))),
    }
}

/// `--iterate` remembers which mutants are settled, but not which of them never compiled.
fn remember_unviable(results: &Path) -> Result<(), String> {
    let kept = results.join("unviable.txt");
    let mut all = lines(&kept);
    all.extend(lines(&results.join("mutants.out/unviable.txt")));
    let text: String = all.into_iter().map(|line| line + "\n").collect();
    files::write(&kept, &text).map(|_| ())
}

fn lines(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// How the mutants of a file fared.
#[derive(Debug, PartialEq, Eq)]
struct Score {
    path: String,
    caught: usize,
    unviable: usize,
    missed: BTreeSet<String>,
    timeouts: usize,
}

impl Score {
    /// `None`: the file has not been tried here.
    fn read(results: &Path, judged: &Judged, file: &str) -> Option<Self> {
        let folder = results.join(folder_of(judged, file));
        let out = folder.join("mutants.out");
        if !out.is_dir() {
            return None;
        }
        let list = |name: &str| lines(&out.join(name));
        let mut settled = list("previously_caught.txt");
        settled.extend(list("caught.txt"));
        settled.extend(list("unviable.txt"));
        let mut unviable = lines(&folder.join("unviable.txt"));
        unviable.extend(list("unviable.txt"));
        unviable.retain(|line| settled.contains(line));
        Some(Self {
            path: path_of(judged, file),
            caught: settled.len() - unviable.len(),
            unviable: unviable.len(),
            missed: list("missed.txt"),
            timeouts: list("timeout.txt").len(),
        })
    }

    fn row(&self) -> String {
        let missed = self.missed.len();
        let tried = self.caught + self.unviable + missed + self.timeouts;
        let Self { path, caught, unviable, timeouts, .. } = self;
        format!("| `{path}` | {tried} | {caught} | {unviable} | {missed} | {timeouts} |")
    }
}

/// The page with these scores in the place of older ones of the same files.
fn page(old: &str, scores: &[Score]) -> String {
    let mut rows: Vec<String> =
        old.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    for score in scores {
        let start = format!("| `{}` |", score.path);
        rows.retain(|row| !row.starts_with(&start));
        rows.push(score.row());
    }
    rows.sort();
    let mut text = String::from(
        "# Mutation score\n\n\
         Made by `cargo xtask mutants [FILE…]`, which tries every mutant of the files that is not settled yet. What the missed\n\
         ones mean is told in [mutation.md](mutation.md).\n\n\
         | file | tried | caught | do not compile | missed | timeout |\n|---|---:|---:|---:|---:|---:|\n",
    );
    let mut sums = [0_usize; 5];
    for row in &rows {
        let numbers = row.split('|').filter_map(|cell| cell.trim().parse::<usize>().ok());
        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        text.push_str(row);
        text.push('\n');
    }
    let [tried, caught, unviable, missed, timeouts] = sums;
    // Writing into a String cannot fail.
    let _ = writeln!(text, "| **all** | {tried} | {caught} | {unviable} | {missed} | {timeouts} |");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_there() {
        for (judged, file) in chosen(&[]).unwrap() {
            assert!(files::root().join(path_of(judged, file)).is_file(), "{file}");
        }
        assert_eq!(chosen(&["crates/kernel/src/gate.rs"]).unwrap().len(), 1);
        assert!(chosen(&["crates/kernel/src/nothing.rs"]).is_err());
    }

    fn score(path: &str, caught: usize, missed: &[&str]) -> Score {
        let missed = missed.iter().map(|line| (*line).to_owned()).collect();
        Score { path: path.to_owned(), caught, unviable: 1, missed, timeouts: 0 }
    }

    #[test]
    fn a_new_score_takes_the_place_of_the_old_one_and_the_others_stay() {
        let first = page("", &[score("b.rs", 1, &["x"]), score("a.rs", 2, &[])]);
        assert!(first.contains(
            "| `a.rs` | 3 | 2 | 1 | 0 | 0 |\n| `b.rs` | 3 | 1 | 1 | 1 | 0 |\n| **all** | 6 | 3 | 2 | 1 | 0 |"
        ));
        let second = page(&first, &[score("b.rs", 2, &[])]);
        assert!(second.contains("| `b.rs` | 3 | 2 | 1 | 0 | 0 |\n| **all** | 6 | 4 | 2 | 0 | 0 |"));
        assert_eq!(page(&second, &[]), second);
    }

    #[test]
    fn what_was_settled_before_counts_and_what_never_compiled_is_told_apart() {
        let folder = std::env::temp_dir().join(format!("casemate-xtask-mutants-{}", std::process::id()));
        let judged = &ALL[0];
        let out = folder.join(folder_of(judged, "gate")).join("mutants.out");
        assert_eq!(Score::read(&folder, judged, "gate"), None);
        std::fs::create_dir_all(&out).unwrap();
        for (name, text) in [
            ("previously_caught.txt", "a\nb\n"),
            ("caught.txt", "c\n"),
            ("unviable.txt", "d\n"),
            ("missed.txt", "e\n"),
        ] {
            std::fs::write(out.join(name), text).unwrap();
        }
        std::fs::write(folder.join(folder_of(judged, "gate")).join("unviable.txt"), "b\ngone\n").unwrap();
        let read = Score::read(&folder, judged, "gate").unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read.row(), "| `crates/kernel/src/gate.rs` | 5 | 2 | 2 | 1 | 0 |");
    }
}
