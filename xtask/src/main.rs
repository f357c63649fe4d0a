//! The repository's own chores, run as `cargo xtask …`. Each knows the tree's layout and nothing of the program's insides.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod bench;
mod codegen;
mod compat;
mod files;
mod mutants;
mod names;
mod scoreboard;
mod signing;
mod tidy;

use std::process::ExitCode;

/// What a chore answers: text for the user, or the reason it failed.
pub(crate) type Outcome = Result<String, String>;

const USAGE: &str = "\
usage: cargo xtask <chore>

  codegen [--check] [service…]            write services/*/src/{api,ops}.rs from models/ and the files in ops/
  codegen --stdout --ops A,B service      print the api.rs that these operations would give
  tidy                                    check lengths, layers, names, tests of operations, white space
  compat [--check]                        write docs/compat.md from the comments tagged AWS: and DIVERGES:
  scoreboard [--check]                    ask policy engine and verifier all vectors and write docs/scoreboard.md
  bench NAME [arguments]                  measure functions, load or decide, as docs/benchmarks.md tells
  mutants [--score] [--since commit] [file…]
                                          try the mutants of the code that decides and write docs/mutation-score.md
  access                                  print what each operation needs (crates/testkit/access.golden)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.split_first() {
        Some((&"codegen", rest)) => codegen::run(rest),
        Some((&"compat", rest)) => compat::run(rest),
        Some((&"scoreboard", rest)) => scoreboard::run(rest),
        Some((&"bench", rest)) => bench::run(rest),
        Some((&"mutants", rest)) => mutants::run(rest),
        Some((&"tidy", [])) => tidy::run(),
        Some((&"access", [])) => files::read(&files::root().join("crates/testkit/access.golden")),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{}", text.trim_end());
            ExitCode::FAILURE
        }
    }
}
