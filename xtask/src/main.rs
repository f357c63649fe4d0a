//! The repository's own chores, run as `cargo xtask …`. Each knows the tree's layout and nothing of the program's insides.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod codegen;
mod files;
mod names;

use std::process::ExitCode;

/// What a chore answers: text for the user, or the reason it failed.
pub(crate) type Outcome = Result<String, String>;

const USAGE: &str = "\
usage: cargo xtask <chore>

  codegen [--check] [service…]            write services/*/src/{api,ops}.rs from models/ and the files in ops/
  codegen --stdout --ops A,B service      print the api.rs that these operations would give";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.split_first() {
        Some((&"codegen", rest)) => codegen::run(rest),
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
