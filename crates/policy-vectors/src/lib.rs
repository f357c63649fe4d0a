//! What the policy engine must answer: tables in `vectors/`, and the matrix of condition operators made from its rules.
//!
//! Every expectation is written from a source, by hand or by a rule; none is taken from the engine. Refuses to know how
//! the engine decides: it parses documents and asks, as any caller does.

mod ask;
mod attach;
mod operators;
mod table;

use casemate_policy::{FixedKeys, Kind, Policy, public_statement};

/// How one set of vectors went.
#[derive(Debug, Default)]
pub struct Score {
    /// What the set is about.
    pub name: &'static str,
    /// Answers as expected.
    pub right: usize,
    /// Allowed, or called harmless, what must not be.
    pub wrong_allow: usize,
    /// Refused what must be allowed, or refused for a wrong reason.
    pub wrong_deny: usize,
    /// What went wrong, one line each.
    pub failures: Vec<String>,
}

/// How dangerous a wrong answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Miss {
    Allow,
    Deny,
}

impl Score {
    fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Answers given.
    pub fn total(&self) -> usize {
        self.right + self.wrong_allow + self.wrong_deny
    }

    fn count(&mut self, outcome: Result<(), (Miss, String)>) {
        match outcome {
            Ok(()) => self.right += 1,
            Err((Miss::Allow, line)) => {
                self.wrong_allow += 1;
                self.failures.push(line);
            }
            Err((Miss::Deny, line)) => {
                self.wrong_deny += 1;
                self.failures.push(line);
            }
        }
    }
}

/// Asks the engine, and the rules of services, everything there is.
///
/// # Errors
/// A table that cannot be read, with its name.
pub fn scores() -> Result<Vec<Score>, String> {
    Ok(vec![
        operators::score(),
        asked("layers", include_str!("../vectors/layers.json"))?,
        asked("wrong-allow list", include_str!("../vectors/wrong_allow.json"))?,
        asked("shared resources", include_str!("../vectors/shared.json"))?,
        public()?,
        attached()?,
    ])
}

fn asked(name: &'static str, text: &str) -> Result<Score, String> {
    let vectors: Vec<table::Vector> =
        serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    let mut score = Score::new(name);
    for vector in &vectors {
        score.count(ask::vector(vector));
    }
    Ok(score)
}

fn attached() -> Result<Score, String> {
    let name = "attached documents";
    let text = include_str!("../vectors/attached.json");
    let vectors: Vec<table::AttachedVector> =
        serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    let mut score = Score::new(name);
    for vector in &vectors {
        score.count(attach::vector(vector));
    }
    Ok(score)
}

fn public() -> Result<Score, String> {
    let name = "public analysis";
    let text = include_str!("../vectors/public.json");
    let vectors: Vec<table::PublicVector> =
        serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    let keys = FixedKeys {
        whole: &["s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id"],
        account: &["s3:dataaccesspointarn"],
    };
    let mut score = Score::new(name);
    for vector in &vectors {
        let document = table::document(&vector.policy).to_string();
        score.count(match Policy::parse(&document, Kind::Resource) {
            Err(error) => Err((Miss::Deny, format!("{}: {error}", vector.name))),
            Ok(policy) => match (vector.public, public_statement(&policy, &keys).is_some()) {
                (true, false) => Err((Miss::Allow, format!("{}: not called public", vector.name))),
                (false, true) => Err((Miss::Deny, format!("{}: called public", vector.name))),
                (true, true) | (false, false) => Ok(()),
            },
        });
    }
    Ok(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_answers_every_vector_as_its_source_says() {
        for score in scores().unwrap() {
            assert_eq!(score.failures, Vec::<String>::new(), "{}", score.name);
            assert!(score.total() > 0, "{} is empty", score.name);
        }
    }
}
