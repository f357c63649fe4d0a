//! Where a reader stands: the place of one event in the order of a group, and its form in page tokens and event ids.

use crate::api::Error;

/// The place of an event. Positions sort as events are shown: timestamp, then stream, then arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    /// Milliseconds.
    pub(crate) timestamp: u64,
    /// The stream's number.
    pub(crate) stream: u64,
    /// The batch's number.
    pub(crate) batch: u64,
    /// Index in the batch.
    pub(crate) index: u32,
}

/// Which way a `GetLogEvents` token leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toward {
    /// To later events: `f/…`.
    Later(Position),
    /// To earlier events: `b/…`.
    Earlier(Position),
}

/// Decimal digits of each part; 56 in all, as AWS's ids have.
const WIDTHS: [usize; 4] = [16, 14, 20, 6];

impl Position {
    /// 56 decimal digits, as event ids are; they sort as positions do.
    pub(crate) fn digits(self) -> String {
        let [t, s, b, i] = WIDTHS;
        format!("{:0t$}{:0s$}{:0b$}{:0i$}", self.timestamp, self.stream, self.batch, self.index)
    }

    /// Reads what [`Self::digits`] wrote.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        if digits.len() != WIDTHS.iter().sum::<usize>() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut rest = digits;
        let mut parts = WIDTHS.iter().map(|width| {
            let (part, after) = rest.split_at_checked(*width)?;
            rest = after;
            part.parse::<u64>().ok()
        });
        let mut part = || parts.next().flatten();
        let (timestamp, stream, batch, index) = (part()?, part()?, part()?, part()?);
        Some(Self { timestamp, stream, batch, index: u32::try_from(index).ok()? })
    }

    /// The token of the events after this one.
    pub(crate) fn later(self) -> String {
        format!("f/{}/s", self.digits())
    }

    /// The token of the events before this one.
    pub(crate) fn earlier(self) -> String {
        format!("b/{}/s", self.digits())
    }
}

impl Toward {
    /// Reads a `GetLogEvents` token.
    pub(crate) fn parse(token: &str) -> Result<Self, Error> {
        let parse = |prefix: &str| Position::parse(token.strip_prefix(prefix)?.strip_suffix("/s")?);
        parse("f/").map(Self::Later).or_else(|| parse("b/").map(Self::Earlier)).ok_or_else(invalid_token)
    }
}

/// AWS: text of the service.
pub(crate) fn invalid_token() -> Error {
    Error::invalid_parameter_exception("The specified nextToken is invalid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn tokens_come_back_and_sort_as_positions_do(
            a in (0_u64..10_000_000_000_000_000, 0_u64..100_000_000_000_000, proptest::num::u64::ANY, 0_u32..1_000_000),
            b in (0_u64..10_000_000_000_000_000, 0_u64..100_000_000_000_000, proptest::num::u64::ANY, 0_u32..1_000_000),
        ) {
            let of = |t: (u64, u64, u64, u32)| Position { timestamp: t.0, stream: t.1, batch: t.2, index: t.3 };
            let (a, b) = (of(a), of(b));
            proptest::prop_assert_eq!(Toward::parse(&a.later()).unwrap(), Toward::Later(a));
            proptest::prop_assert_eq!(Toward::parse(&a.earlier()).unwrap(), Toward::Earlier(a));
            proptest::prop_assert_eq!(a.digits().cmp(&b.digits()), a.cmp(&b));
        }

        #[test]
        fn arbitrary_tokens_do_not_panic(token: String) {
            let _ = Toward::parse(&token);
        }
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let good = Position::default().later();
        for bad in [
            "",
            "f/",
            "f//s",
            "x",
            &good.replace('0', "é"),
            &good.replace("f/", "g/"),
            &good.replace("/s", ""),
        ] {
            assert!(Toward::parse(bad).is_err(), "{bad}");
        }
    }
}
