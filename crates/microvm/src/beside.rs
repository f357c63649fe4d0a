//! Programs beside a function's runtime, as the guest is told of them.
//!
//! Their variables are nearly the runtime's. Both have to fit into one message, so what is told is how they differ.

use std::fmt;

use casemate_sandbox::Companions;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Beside {
    programs: Vec<String>,
    /// Names of the runtime's variables that are not theirs.
    without: Vec<String>,
    /// Those of theirs that the runtime has not, or has with another value.
    others: Vec<(String, String)>,
}

impl Beside {
    /// `env` is the runtime's.
    pub(crate) fn of(companions: Companions, env: &[(String, String)]) -> Self {
        let Companions { programs, env: theirs } = companions;
        if programs.is_empty() {
            return Self::default();
        }
        let without = env.iter().filter(|one| !theirs.contains(one)).map(|(name, _)| name.clone()).collect();
        let others = theirs.into_iter().filter(|one| !env.contains(one)).collect();
        Self { programs, without, others }
    }

    /// As the sandbox starts them.
    pub(crate) fn companions(self, env: &[(String, String)]) -> Companions {
        let Self { programs, without, others } = self;
        if programs.is_empty() {
            return Companions::default();
        }
        let shared = env.iter().filter(|(name, _)| !without.contains(name)).cloned();
        Companions { programs, env: shared.chain(others).collect() }
    }

    pub(crate) fn count(&self) -> usize {
        self.programs.len()
    }
}

/// The values of variables are often secrets.
impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("programs", &self.programs).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn told(runtimes: &[(&str, &str)], theirs: &[(&str, &str)]) -> (String, Companions) {
        let (env, theirs) = (variables(runtimes), variables(theirs));
        let companions = Companions { programs: vec!["/opt/extensions/one".to_owned()], env: theirs };
        let text = serde_json::to_string(&Beside::of(companions, &env)).unwrap();
        let beside: Beside = serde_json::from_str(&text).unwrap();
        (text, beside.companions(&env))
    }

    #[test]
    fn companions_have_their_own_variables_and_none_of_the_runtimes_besides() {
        let runtimes = [("SAME", "shared"), ("_HANDLER", "a.b"), ("HOME", "/tmp"), ("", "odd")];
        for theirs in [
            &[("SAME", "shared"), ("HOME", "/tmp")][..],
            &[("HOME", "/opt"), ("SAME", "shared"), ("MORE", "of theirs")][..],
            &[],
            &runtimes,
        ] {
            let (_, had) = told(&runtimes, theirs);
            let (mut had, mut expected) = (had.env, variables(theirs));
            had.sort();
            expected.sort();
            assert_eq!(had, expected);
        }
    }

    #[test]
    fn what_both_have_is_told_once_and_values_are_not_printed() {
        let secret = "x".repeat(4_000);
        let (text, had) = told(&[("KEY", &secret)], &[("KEY", &secret)]);
        assert!(!text.contains(&secret));
        assert_eq!(had.env.len(), 1);
        let companions = Companions { programs: vec!["/p".to_owned()], env: variables(&[("KEY", &secret)]) };
        assert!(!format!("{:?}", Beside::of(companions, &[])).contains(&secret));
    }

    #[test]
    fn without_programs_there_is_nothing() {
        let companions = Companions { programs: Vec::new(), env: variables(&[("A", "b")]) };
        let beside = Beside::of(companions, &[]);
        assert_eq!(beside.count(), 0);
        let companions = beside.companions(&variables(&[("C", "d")]));
        assert!(companions.programs.is_empty() && companions.env.is_empty());
    }
}
