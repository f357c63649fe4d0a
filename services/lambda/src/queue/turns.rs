//! How many events of a function, of an account and in all may run at once.
//!
//! What really limits them is what limits every request: the account's concurrency, the function's reservation, and the
//! environments the host has room for. Here is decided only how many are taken out of the line to meet these limits, so that
//! the events of one function, however many and however long they run, leave places to those of every other:
//!
//! - of one function no more than could have an environment;
//! - all of one account's no more than half of the places, all of everybody's no more than three quarters;
//! - but an event of a function of which none runs finds one of the last quarter, too; an account at most three quarters.
//!
//! Knows nothing of rows and time.

use std::collections::{BTreeMap, BTreeSet};

use casemate_names::Arn;
use casemate_store::Key;

/// Places for each environment that the host has room for. Ours: what is taken out of the line and finds no room waits for it,
/// and has its event in memory meanwhile, at most a megabyte.
const PLACES_PER_ENVIRONMENT: usize = 4;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    /// What runs, by function. Never empty sets.
    running: BTreeMap<Arn, BTreeSet<Key>>,
    /// How many of each account run. Never zero.
    accounts: BTreeMap<String, usize>,
    all: usize,
}

impl Turns {
    /// Takes a place for an event, if there is one and it does not run yet. `environments` is what the host has room for,
    /// `most` how many of the function's events may run.
    pub(super) fn take(&mut self, function: &Arn, key: &Key, environments: usize, most: usize) -> bool {
        if self.runs(function, key) || self.left(function, environments, most) == 0 {
            return false;
        }
        self.running.entry(function.clone()).or_default().insert(key.clone());
        *self.accounts.entry(function.account().to_owned()).or_default() += 1;
        self.all += 1;
        true
    }

    /// An event is over.
    pub(super) fn give_back(&mut self, function: &Arn, key: &Key) {
        let Some(own) = self.running.get_mut(function).filter(|own| own.contains(key)) else { return };
        own.remove(key);
        if own.is_empty() {
            self.running.remove(function);
        }
        self.all -= 1;
        let Some(of_account) = self.accounts.get_mut(function.account()) else { return };
        *of_account -= 1;
        if *of_account == 0 {
            self.accounts.remove(function.account());
        }
    }

    pub(super) fn runs(&self, function: &Arn, key: &Key) -> bool {
        self.running.get(function).is_some_and(|own| own.contains(key))
    }

    /// How many more events of a function may run now.
    pub(super) fn left(&self, function: &Arn, environments: usize, most: usize) -> usize {
        let places = environments.max(1).saturating_mul(PLACES_PER_ENVIRONMENT);
        let (half, most_of) = (places / 2, places - places / 4);
        let of_account = self.accounts.get(function.account()).copied().unwrap_or_default();
        match self.running.get(function).map(BTreeSet::len) {
            None => 1.min(most_of.saturating_sub(of_account)).min(places.saturating_sub(self.all)),
            Some(own) => most
                .saturating_sub(own)
                .min(half.saturating_sub(of_account))
                .min(most_of.saturating_sub(self.all)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVIRONMENTS: usize = 64;
    const MOST: usize = 56;

    fn arn(account: usize, name: &str) -> Arn {
        Arn::parse(&format!("arn:aws:lambda:us-east-1:{account:012}:function:{name}")).unwrap()
    }

    fn key(number: u64) -> Key {
        Key::global().number(number)
    }

    /// How many of 300 events get places.
    fn flood(turns: &mut Turns, function: &Arn) -> usize {
        (0..300).filter(|number| turns.take(function, &key(*number), ENVIRONMENTS, MOST)).count()
    }

    #[test]
    fn a_flood_that_never_ends_leaves_room_to_every_other_function() {
        let mut turns = Turns::default();
        assert_eq!(flood(&mut turns, &arn(1, "flood")), MOST);
        // However many functions flood, the next still finds a place for its first event.
        for number in 0..60 {
            let other = arn(1, &format!("flood-{number}"));
            assert!(flood(&mut turns, &other) > 0, "{number}");
        }
        // An account with very many functions does not take all there is, nor do all accounts together what one more needs.
        let many =
            (0..100).filter(|number| flood(&mut turns, &arn(1, &format!("many-{number}"))) > 0).count();
        assert!(many < 100, "{many}");
        assert!(flood(&mut turns, &arn(2, "quiet")) > 0);
        assert_eq!(
            flood(&mut turns, &arn(2, "quiet")),
            0,
            "more than the first only where there is room for more"
        );
    }

    #[test]
    fn places_come_back_once() {
        let mut turns = Turns::default();
        let (one, other) = (arn(1, "f"), arn(1, "g"));
        assert!(turns.take(&one, &key(1), ENVIRONMENTS, 1));
        assert!(!turns.take(&one, &key(1), ENVIRONMENTS, 9), "it runs already");
        assert!(!turns.take(&one, &key(2), ENVIRONMENTS, 1));
        turns.give_back(&one, &key(2));
        turns.give_back(&other, &key(1));
        assert!(!turns.take(&one, &key(2), ENVIRONMENTS, 1), "neither ran");
        turns.give_back(&one, &key(1));
        assert_eq!((turns.all, turns.accounts.len(), turns.running.len()), (0, 0, 0));
        assert!(turns.take(&one, &key(2), ENVIRONMENTS, 1));
    }

    #[test]
    fn a_host_with_room_for_nothing_runs_events_one_by_one() {
        let mut turns = Turns::default();
        assert!(turns.take(&arn(1, "f"), &key(1), 0, 1));
        assert!(!turns.take(&arn(1, "f"), &key(2), 0, 1));
    }
}
