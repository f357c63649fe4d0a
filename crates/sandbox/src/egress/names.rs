//! Which addresses the stub has given out for which names, and until when.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use tokio::time::Instant;

/// For how long an answer holds. Ours: short, so that a name that moves is followed.
pub(super) const TTL: Duration = Duration::from_mins(1);
/// Programs keep addresses a little longer than they were told.
const GRACE: Duration = Duration::from_mins(4);
/// Pairs of address and name remembered; the oldest give way.
const PAIRS_MAX: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeMap<(IpAddr, String), Instant>,
}

impl Names {
    /// Remembers that `name` led to `address`.
    pub(super) fn give(&mut self, name: &str, address: IpAddr, now: Instant) {
        self.given.insert((address.to_canonical(), name.to_owned()), now + TTL + GRACE);
        if self.given.len() > PAIRS_MAX {
            let oldest = self.given.iter().min_by_key(|(_, until)| **until).map(|(pair, _)| pair.clone());
            oldest.map(|pair| self.given.remove(&pair));
        }
    }

    /// The names that lead to an address now.
    pub(super) fn of(&self, address: IpAddr, now: Instant) -> impl Iterator<Item = &str> {
        let address = address.to_canonical();
        let from = self.given.range((address, String::new())..);
        from.take_while(move |((of, _), _)| *of == address)
            .filter(move |(_, until)| **until > now)
            .map(|((_, name), _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_names_for_a_while_only() {
        let (mut names, now) = (Names::default(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        names.give("a.org", one, now);
        names.give("b.org", one, now);
        names.give("c.org", other, now);
        assert_eq!(names.of(one, now).collect::<Vec<_>>(), ["a.org", "b.org"]);
        assert_eq!(names.of(one, now + TTL).count(), 2);
        assert_eq!(names.of(one, now + TTL + GRACE).count(), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_gives_way() {
        let (mut names, now) = (Names::default(), Instant::now());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for number in 0..=PAIRS_MAX {
            let later = now + Duration::from_millis(u64::try_from(number).unwrap());
            names.give(&format!("n{number}.org"), address, later);
        }
        let left: Vec<&str> = names.of(address, now).collect();
        assert_eq!(left.len(), PAIRS_MAX);
        assert!(!left.contains(&"n0.org"));
    }
}
