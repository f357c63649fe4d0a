//! Reads identity policies from standard input, one document a line, and prints those that do not parse.

#![expect(clippy::print_stdout, reason = "a command-line tool talks to its user")]

use std::io::BufRead;

fn main() {
    let (mut total, mut refused) = (0, 0);
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        total += 1;
        if let Err(error) = casemate_policy::Policy::parse(&line, casemate_policy::Kind::Identity) {
            refused += 1;
            println!("{error} at {}: {}", error.place(), line.get(..300).unwrap_or(&line));
        }
    }
    println!("{total} documents, {refused} refused");
}
