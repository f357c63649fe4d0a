//! X-Ray's trace header, and what it tells of requests that come back to their function in a circle.
//!
//! ```text
//! Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=0;Lineage=<function>:<runs>|<function>:<runs>
//! ```
//! A client's header is continued and never trusted: it names traces, and at worst stops its own request. AWS's clients pass
//! it on from inside functions. Decides nothing about who may call.
//!
//! DIVERGES: requests that pass through a deployed API are not recognised as part of a circle.

use casemate_names::{Entropy, Timestamp, hex_id};

use crate::{Lambda, api::Error, function::Function};

/// Runs of one function in one chain of requests; the next is refused.
// AWS: "approximately 16 times" (Lambda developer guide, "Recursive loop detection").
const RUNS_MAX: u32 = 16;
/// Functions that a chain remembers. Ours: bounds the header; the oldest are forgotten.
const FUNCTIONS_MAX: usize = 32;
/// Longer headers are not read.
const HEADER_CHARS_MAX: usize = 1_024;

/// What a chain of requests is known by.
#[derive(Debug, Default, PartialEq, Eq)]
struct Chain {
    root: Option<String>,
    sampled: bool,
    lineage: Vec<(String, u32)>,
}

/// The trace header of a request.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) header: String,
    /// Whether the request goes in a circle, and may not.
    pub(crate) is_loop: bool,
}

/// What is said of a request that goes in a circle.
pub(crate) const STOPPED: &str =
    "the function was run 16 times in one chain of requests: the loop is stopped";

impl Traced {
    /// The header; refuses a request that goes in a circle.
    pub(crate) fn or_refused(self) -> Result<String, Error> {
        // AWS: the error of recursive loop detection; the text is ours.
        if self.is_loop { Err(Error::recursive_invocation_exception(STOPPED)) } else { Ok(self.header) }
    }
}

impl Lambda {
    /// The trace header of a request to `function` that came with the header `given`.
    pub(crate) fn trace(&self, given: Option<&str>, function: &Function, now: Timestamp) -> Traced {
        let arn = function.unqualified();
        let (header, runs) =
            given.map(Chain::parse).unwrap_or_default().next(arn.as_str(), &*self.env.entropy, now);
        Traced { header, is_loop: runs > RUNS_MAX && !function.loops_allowed }
    }
}

/// Whether another request to `function` in the chain of this header would go in a circle.
pub(crate) fn would_loop(header: &str, function: &str) -> bool {
    let name = short(function);
    Chain::parse(header).lineage.iter().any(|(known, runs)| *known == name && *runs >= RUNS_MAX)
}

impl Chain {
    /// Reads what is well-formed and ignores the rest.
    fn parse(header: &str) -> Self {
        let mut chain = Self::default();
        if header.len() > HEADER_CHARS_MAX {
            return chain;
        }
        for part in header.split(';') {
            match part.trim().split_once('=') {
                Some(("Root", root)) if is_root(root) => chain.root = Some(root.to_owned()),
                Some(("Sampled", sampled)) => chain.sampled = sampled == "1",
                Some(("Lineage", lineage)) => {
                    let entries = lineage.split('|').filter_map(|entry| {
                        let (function, runs) = entry.split_once(':')?;
                        is_hex(function, 8).then_some(())?;
                        Some((function.to_owned(), runs.parse().ok()?))
                    });
                    chain.lineage = entries.take(FUNCTIONS_MAX).collect();
                }
                _ => {}
            }
        }
        chain
    }

    /// The header for one more run of a function, and how many runs that makes.
    fn next(mut self, function: &str, entropy: &dyn Entropy, now: Timestamp) -> (String, u32) {
        let random = hex_id(entropy, "lambda.trace", 40);
        let (fresh, parent) = random.split_at_checked(24).unwrap_or_default();
        let root = self.root.take().unwrap_or_else(|| format!("1-{:08x}-{fresh}", now.seconds()));
        let name = short(function);
        let known = self.lineage.iter_mut().find(|(known, _)| *known == name);
        let runs = if let Some((_, runs)) = known {
            *runs = runs.saturating_add(1);
            *runs
        } else {
            if self.lineage.len() >= FUNCTIONS_MAX {
                self.lineage.remove(0);
            }
            self.lineage.push((name, 1));
            1
        };
        let lineage: Vec<String> = self.lineage.iter().map(|(name, runs)| format!("{name}:{runs}")).collect();
        let sampled = u8::from(self.sampled);
        let lineage = lineage.join("|");
        (format!("Root={root};Parent={parent};Sampled={sampled};Lineage={lineage}"), runs)
    }
}

fn is_root(text: &str) -> bool {
    let mut parts = text.split('-');
    let (version, seconds, random, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    version == Some("1")
        && seconds.is_some_and(|text| is_hex(text, 8))
        && random.is_some_and(|text| is_hex(text, 24))
        && more.is_none()
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A function in a lineage: FNV-1a of its ARN. It need not be unforgeable; see the module.
fn short(function: &str) -> String {
    let hash = function
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use casemate_names::SystemEntropy;

    use super::*;

    fn next(given: &str, function: &str) -> (String, u32) {
        Chain::parse(given).next(function, &SystemEntropy::default(), Timestamp::from_seconds(0x1234_5678))
    }

    #[test]
    fn a_chain_counts_the_runs_of_each_function() {
        let mut header = String::new();
        for round in 1..=17 {
            let (a, runs) = next(&header, "arn:a");
            assert_eq!(runs, round);
            let (b, runs) = next(&a, "arn:b");
            assert_eq!(runs, round);
            header = b;
        }
        assert!(header.starts_with("Root=1-12345678-"), "{header}");
    }

    #[test]
    fn a_clients_trace_is_continued_as_far_as_it_is_well_formed() {
        let root = "1-5759e988-bd862e3fe1be46a994272793";
        let (header, runs) = next(&format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=1;Self=x"), "arn:a");
        assert!(
            header.starts_with(&format!("Root={root};Parent=")) && header.contains(";Sampled=1;"),
            "{header}"
        );
        assert!(!header.contains("53995c3f42cd8ad8") && !header.contains("Self"), "{header}");
        assert_eq!(runs, 1);
        for bad in
            ["Root=1-x\r\ny", "Root=2-5759e988-bd862e3fe1be46a994272793", "Lineage=zz:1|0:2|12345678:-1"]
        {
            let (header, runs) = next(bad, "arn:a");
            assert!(header.starts_with("Root=1-12345678-") && runs == 1, "{header}");
            assert_eq!(header.matches(':').count(), 1, "{header}");
        }
    }

    #[test]
    fn a_function_that_has_run_often_enough_would_loop_and_no_other() {
        let mut header = String::new();
        for round in 0..RUNS_MAX {
            assert!(!would_loop(&header, "arn:a"), "{round}");
            header = next(&header, "arn:a").0;
        }
        assert!(would_loop(&header, "arn:a") && !would_loop(&header, "arn:b"), "{header}");
        assert!(STOPPED.contains(&format!(" {RUNS_MAX} times")));
    }

    #[test]
    fn headers_stay_small() {
        let mut header = String::new();
        for number in 0..100 {
            header = next(&header, &format!("arn:{number}")).0;
        }
        assert!(header.len() < HEADER_CHARS_MAX, "{}", header.len());
        let long = format!("Root=1-5759e988-bd862e3fe1be46a994272793;{}", "x".repeat(HEADER_CHARS_MAX));
        assert_eq!(Chain::parse(&long), Chain::default());
    }
}
