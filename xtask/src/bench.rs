//! Runs the measurements that stand in docs/benchmarks.md. Knows which benchmark answers to which name, nothing of what it
//! measures.

use std::process::Command;

use crate::{Outcome, files};

/// Name, package and benchmark.
const ALL: &[(&str, &str, &str)] = &[
    ("functions", "casemate-lambda", "functions"),
    ("load", "casemate", "load"),
    ("decide", "casemate-policy", "decide"),
];

/// `bench NAME [arguments of the benchmark]`
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else { return Err(known()) };
    let (_, package, bench) = ALL.iter().find(|(known, ..)| known == name).ok_or_else(known)?;
    // Its output goes to the terminal as it comes: measuring takes minutes.
    let status = Command::new(env!("CARGO"))
        .current_dir(files::root())
        .args(["bench", "--locked", "-p", package, "--bench", bench, "--"])
        .args(rest)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(String::new()) } else { Err(format!("the benchmark {name} failed: {status}")) }
}

fn known() -> String {
    let names: Vec<&str> = ALL.iter().map(|(name, ..)| *name).collect();
    format!("which benchmark? {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_benchmark_is_there() {
        for (_, package, bench) in ALL {
            let manifests = ["crates/server", "crates/policy", "services/lambda"];
            let found = manifests.iter().any(|folder| {
                let manifest =
                    files::read(&files::root().join(folder).join("Cargo.toml")).unwrap_or_default();
                manifest.contains(&format!("name = \"{package}\""))
                    && manifest.contains(&format!("name = \"{bench}\""))
            });
            assert!(found, "{package} {bench}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        assert!(run(&["function"]).unwrap_err().contains("functions"));
        assert!(run(&[]).is_err());
    }
}
