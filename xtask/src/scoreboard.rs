//! `docs/scoreboard.md`: how the policy engine and the verifier of signatures answer every vector of the repository. Knows no
//! vector itself.

use std::fmt::Write as _;

use casemate_policy_vectors::{Score, scores};

use crate::{Outcome, files, signing};

const PAGE: &str = "docs/scoreboard.md";

/// Asks everything and writes the page; with `--check`, says whether it is as it would be written. Fails if any answer is
/// wrong.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let mut scores = scores()?;
    scores.extend(signing::scores());
    let page = page(&scores);
    let path = files::root().join(PAGE);
    match arguments {
        [] => std::fs::write(&path, &page).map_err(|error| format!("{PAGE}: {error}"))?,
        ["--check"] if files::read(&path)? == page => {}
        ["--check"] => return Err(format!("{PAGE} is not up to date; run `cargo xtask scoreboard`")),
        _ => return Err("usage: cargo xtask scoreboard [--check]".to_owned()),
    }
    let failures: Vec<String> = scores
        .iter()
        .flat_map(|score| score.failures.iter().map(move |line| format!("{}: {line}", score.name)))
        .collect();
    if failures.is_empty() { Ok(page) } else { Err(format!("{page}\n{}", failures.join("\n"))) }
}

fn page(scores: &[Score]) -> String {
    let mut text = String::from(
        "# Scoreboard\n\n\
         Made by `cargo xtask scoreboard`, which asks the policy engine, and the rules of services for their resources' policies,\n\
         every vector of `crates/policy-vectors`, and the verifier of signatures AWS's own, and fails if an answer is wrong. The\n\
         expectations are written from their sources (each vector names its own), never from the engine.\n\n\
         | vectors | answers | right | wrong allow | wrong deny |\n|---|---:|---:|---:|---:|\n",
    );
    let mut row = |name: &str, right: usize, allow: usize, deny: usize| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| {name} | {} | {right} | {allow} | {deny} |", right + allow + deny);
    };
    for score in scores {
        row(score.name, score.right, score.wrong_allow, score.wrong_deny);
    }
    let sum = |part: fn(&Score) -> usize| scores.iter().map(part).sum();
    row("**all**", sum(|s| s.right), sum(|s| s.wrong_allow), sum(|s| s.wrong_deny));
    text.push_str(
        "\nThe operator matrix asks each case twice, as an Allow and as a Deny. In the public analysis a wrong allow is a public\n\
         policy that was not called public; in the attached documents, one that the service must refuse and did not. Each signing\n\
         vector is asked by header and by query string, as it stands and with its method, query, body, secret, region, service or\n\
         time changed: only as it stands it may be accepted, and not where it adds its session token after signing. What the\n\
         vectors are and where they come from: `crates/sigv4/src/vectors/suite.rs`.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_answers_are_counted_by_their_danger() {
        let score = Score { name: "x", right: 3, wrong_allow: 1, wrong_deny: 2, failures: Vec::new() };
        assert!(page(&[score]).contains("| x | 6 | 3 | 1 | 2 |"));
    }
}
