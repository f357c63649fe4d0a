//! Mutation testing of the code that decides: `cargo mutants` over one file after the other, and the score in
//! docs/mutation-score.md. Knows which tests judge which crate quickest, nothing of what the mutants mean: that is
//! docs/mutation.md's to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    process::Command,
};

use crate::{Outcome, files};

const PAGE: &str = "docs/mutation-score.md";
/// Where on the page the second table begins.
const CHANGED: &str = "\n## Changed lines\n\n";
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
            "named_principal",
            "plane",
            "directory",
            "key_value",
            "kernel",
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
            "name",
            "decision",
            "source",
            "facts",
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
];

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    score_only: bool,
    /// Only what has changed since this commit.
    since: Option<&'a str>,
    files: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match *argument {
                "--score" => options.score_only = true,
                "--since" => options.since = Some(rest.next().ok_or("--since needs a commit")?),
                file => options.files.push(file),
            }
        }
        Ok(options)
    }
}

/// `mutants [--since COMMIT] [FILE…]`: tries the mutants of these files, or of all, that are not settled yet; with a commit
/// only those of lines that have changed since. `--score` only counts.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let options = Options::parse(arguments)?;
    let chosen = chosen(&options.files)?;
    // However the commit was named: the page and the results go by its own name.
    let since = options
        .since
        .map(|commit| git(&["rev-parse", "--short=7", "--verify", &format!("{commit}^{{commit}}")]));
    let since = since.transpose()?.map(|commit| commit.trim().to_owned());
    let since = since.as_deref();
    if !options.score_only {
        unchanged()?;
        for judged in ALL.iter().filter(|judged| chosen.iter().any(|(one, _)| one.package == judged.package))
        {
            passes_without(judged)?;
        }
        for (judged, file) in &chosen {
            try_all(judged, file, since)?;
        }
    }
    let results = files::root().join(RESULTS);
    let scores: Vec<Score> =
        chosen.iter().filter_map(|(judged, file)| Score::read(&results, judged, file, since)).collect();
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

fn folder_of(judged: &Judged, file: &str, since: Option<&str>) -> String {
    let since = since.map(|commit| format!("-since-{commit}")).unwrap_or_default();
    format!("{}-{file}{since}", judged.package)
}

/// What git answers to this.
fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(files::root())
        .output()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// The mutants are made in place: what is not committed could be lost among them.
fn unchanged() -> Result<(), String> {
    if git(&["status", "--porcelain", "--", "crates"])?.is_empty() {
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

fn try_all(judged: &Judged, file: &str, since: Option<&str>) -> Result<(), String> {
    let results = files::root().join(RESULTS).join(folder_of(judged, file, since));
    std::fs::create_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    let mut only = Vec::new();
    if let Some(commit) = since {
        let changes = git(&["diff", commit, "HEAD", "--", &path_of(judged, file)])?;
        if changes.is_empty() {
            return Err(format!("{} has not changed since {commit}", path_of(judged, file)));
        }
        let kept = results.join("changes.diff");
        files::write(&kept, &changes)?;
        only = vec!["--in-diff".into(), kept.into_os_string()];
    }
    // Its output goes to the terminal as it comes: this takes minutes. It fails where a mutant is missed.
    let status = Command::new(env!("CARGO"))
        .current_dir(files::root())
        .envs(ENVIRONMENT.iter().copied())
        .args(["mutants", "--in-place", "--iterate", "--baseline=skip", "--timeout", TIMEOUT_S])
        .args(["-p", judged.package, "-f", &path_of(judged, file), "-o"])
        .arg(&results)
        .args(only)
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
    /// Only lines that have changed since this commit were tried; `None`: all of the file.
    since: Option<String>,
    caught: usize,
    unviable: usize,
    missed: BTreeSet<String>,
    timeouts: usize,
}

impl Score {
    /// `None`: the file has not been tried here.
    fn read(results: &Path, judged: &Judged, file: &str, since: Option<&str>) -> Option<Self> {
        let folder = results.join(folder_of(judged, file, since));
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
            since: since.map(str::to_owned),
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
        let since = self.since.as_ref().map(|commit| format!(" `{commit}` |")).unwrap_or_default();
        format!("| `{path}` |{since} {tried} | {caught} | {unviable} | {missed} | {timeouts} |")
    }
}

/// The page with these scores in the place of older ones of the same files. A file that was tried whole needs no score of
/// its changed lines any more.
fn page(old: &str, scores: &[Score]) -> String {
    let (whole, changed) = old.split_once(CHANGED).unwrap_or((old, ""));
    let (mut whole, mut changed) = (rows(whole), rows(changed));
    for score in scores {
        if score.since.is_none() {
            whole.insert(score.path.clone(), score.row());
            changed.remove(&score.path);
        } else {
            changed.insert(score.path.clone(), score.row());
        }
    }
    let mut text = String::from(
        "# Mutation score\n\n\
         Made by `cargo xtask mutants [FILE…]`, which tries every mutant of the files that is not settled yet. What the missed\n\
         ones mean is told in [mutation.md](mutation.md).\n\n\
         | file | tried | caught | do not compile | missed | timeout |\n|---|---:|---:|---:|---:|---:|\n",
    );
    add_rows(&mut text, "| **all** |", &whole);
    if !changed.is_empty() {
        text.push_str(CHANGED);
        text.push_str(
            "Of these files only the lines that have changed since a commit were tried again\n\
             (`cargo xtask mutants --since COMMIT FILE…`); the table above has them as they were before.\n\n\
             | file | changed since | tried | caught | do not compile | missed | timeout |\n|---|---|---:|---:|---:|---:|---:|\n",
        );
        add_rows(&mut text, "| **all** | |", &changed);
    }
    text
}

/// The rows of a table by file.
fn rows(table: &str) -> BTreeMap<String, String> {
    let rows = table.lines().filter_map(|line| {
        let (path, _) = line.strip_prefix("| `")?.split_once('`')?;
        Some((path.to_owned(), line.to_owned()))
    });
    rows.collect()
}

/// The rows and their sum.
fn add_rows(text: &mut String, all: &str, rows: &BTreeMap<String, String>) {
    let mut sums = [0_usize; 5];
    for row in rows.values() {
        let numbers = row.split('|').filter_map(|cell| cell.trim().parse::<usize>().ok());
        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        text.push_str(row);
        text.push('\n');
    }
    let [tried, caught, unviable, missed, timeouts] = sums;
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{all} {tried} | {caught} | {unviable} | {missed} | {timeouts} |");
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
        Score { path: path.to_owned(), since: None, caught, unviable: 1, missed, timeouts: 0 }
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
    fn changed_lines_have_a_table_of_their_own_until_the_file_is_tried_whole() {
        let whole = page("", &[score("a.rs", 2, &[]), score("b.rs", 1, &[])]);
        assert!(!whole.contains("Changed lines"));
        let since = |path: &str, missed: &[&str]| Score {
            since: Some("abc1234".to_owned()),
            ..score(path, 3, missed)
        };
        let both = page(&whole, &[since("a.rs", &["x"]), since("b.rs", &[])]);
        assert!(both.starts_with(&whole), "{both}");
        assert!(both.ends_with(
            "| `a.rs` | `abc1234` | 5 | 3 | 1 | 1 | 0 |\n| `b.rs` | `abc1234` | 4 | 3 | 1 | 0 | 0 |\n\
             | **all** | | 9 | 6 | 2 | 1 | 0 |\n"
        ));
        assert_eq!(page(&both, &[]), both);
        let one = page(&both, &[score("a.rs", 9, &[])]);
        assert!(
            one.contains("| `a.rs` | 10 | 9 | 1 | 0 | 0 |") && !one.contains("| `a.rs` | `abc1234`"),
            "{one}"
        );
        assert_eq!(page(&one, &[score("b.rs", 1, &[])]).matches("Changed lines").count(), 0);
    }

    #[test]
    fn options_come_in_any_order() {
        let wanted = Options { score_only: true, since: Some("HEAD~1"), files: vec!["a.rs", "b.rs"] };
        assert_eq!(Options::parse(&["--since", "HEAD~1", "a.rs", "--score", "b.rs"]), Ok(wanted));
        assert_eq!(Options::parse(&[]), Ok(Options::default()));
        assert!(Options::parse(&["a.rs", "--since"]).is_err());
    }

    #[test]
    fn what_was_settled_before_counts_and_what_never_compiled_is_told_apart() {
        let folder = std::env::temp_dir().join(format!("casemate-xtask-mutants-{}", std::process::id()));
        let judged = &ALL[0];
        let out = folder.join(folder_of(judged, "gate", None)).join("mutants.out");
        assert_eq!(Score::read(&folder, judged, "gate", None), None);
        std::fs::create_dir_all(&out).unwrap();
        for (name, text) in [
            ("previously_caught.txt", "a\nb\n"),
            ("caught.txt", "c\n"),
            ("unviable.txt", "d\n"),
            ("missed.txt", "e\n"),
        ] {
            std::fs::write(out.join(name), text).unwrap();
        }
        std::fs::write(folder.join(folder_of(judged, "gate", None)).join("unviable.txt"), "b\ngone\n")
            .unwrap();
        let read = Score::read(&folder, judged, "gate", None).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read.row(), "| `crates/kernel/src/gate.rs` | 5 | 2 | 2 | 1 | 0 |");
    }
}
