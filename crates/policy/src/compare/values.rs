//! Values that tell typed conditions apart: for numbers, dates and addresses each end of an interval and one value in
//! every gap; for booleans and binary all there is to tell. What cannot be read as the type comes last.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use casemate_names::Timestamp;

use crate::scalar::{Date, Network, Number, binary, date};

/// A value that is neither number, date, boolean, address, base64 nor ARN.
pub(super) const UNREADABLE: &str = "?";

/// 1, as numbers are scaled.
const ONE: i128 = 1_000_000_000_000_000_000;
/// A second in milliseconds.
const SECOND: i128 = 1000;
/// The IPv4 addresses in IPv6 clothing, which the engine reads as IPv4.
const MAPPED_FIRST: u128 = 0xffff_0000_0000;
const MAPPED_LAST: u128 = 0xffff_ffff_ffff;

/// Every point, a value in each gap, one below and one above; round ones where there are any and `fits` takes them.
fn spread(points: &BTreeSet<i128>, unit: i128, fits: &dyn Fn(i128) -> bool) -> Vec<i128> {
    let floor = |point: i128| point.div_euclid(unit).saturating_mul(unit);
    let either = |round: i128, near: i128| if fits(round) { round } else { near };
    let mut out = Vec::new();
    let mut last: Option<i128> = None;
    for point in points.iter().copied() {
        match last {
            None => out.push(either(floor(point).saturating_sub(unit), point.saturating_sub(1))),
            Some(before) => {
                let round = floor(before).saturating_add(unit);
                let half = before.saturating_add(point.saturating_sub(before) / 2);
                let gap = if round < point { round } else { half };
                if gap > before {
                    out.push(gap);
                }
            }
        }
        out.push(point);
        last = Some(point);
    }
    out.push(last.map_or(0, |last| either(floor(last).saturating_add(unit), last.saturating_add(1))));
    out
}

pub(super) fn numbers(wanted: &[String]) -> Vec<String> {
    let points = wanted.iter().filter_map(|text| Number::parse(text)).map(Number::scaled).collect();
    let readable = |scaled: i128| Number::parse(&decimal(scaled, ONE)).is_some();
    spread(&points, ONE, &readable).into_iter().map(|scaled| decimal(scaled, ONE)).collect()
}

/// A scaled number as text.
fn decimal(scaled: i128, one: i128) -> String {
    let sign = if scaled < 0 { "-" } else { "" };
    let (size, one) = (scaled.unsigned_abs(), one.unsigned_abs());
    let digits = usize::try_from(one.ilog10()).unwrap_or(0);
    let fraction = format!("{:0>digits$}", size % one);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", size / one)
}

pub(super) fn dates(wanted: &[String]) -> Vec<String> {
    let named =
        wanted.iter().flat_map(|text| Date::parse(text).0).flatten().map(|at| i128::from(at.millis()));
    let points = named.chain([0]).collect();
    let readable = |millis: i128| date(&instant(millis)).is_some_and(|at| i128::from(at.millis()) == millis);
    let all = spread(&points, SECOND, &readable);
    // No later than 1970 there are also the texts that are no date to some readers.
    let negative = all.iter().filter(|at| **at <= 0).map(|at| format!("-{}", decimal(-at, SECOND)));
    // Four digits are both seconds and a year: what is true of them changes beside a point read as either.
    let year =
        |at: i128| i64::try_from(at).ok().map(|at| i128::from(Timestamp::from_millis(at).civil().year));
    let near = all.iter().flat_map(|at| [Some(at.div_euclid(SECOND)), year(*at)]).flatten();
    let digits: BTreeSet<i128> =
        near.flat_map(|n| [n - 1, n, n + 1]).filter(|n| (0..=9999).contains(n)).chain([0, 9999]).collect();
    let doubtful: Vec<String> = negative.chain(digits.iter().map(|n| format!("{n:04}"))).collect();
    all.into_iter().map(instant).chain(doubtful).collect()
}

/// A date, or where that needs more than four digits for the year, seconds.
fn instant(millis: i128) -> String {
    let at = i64::try_from(millis).ok().map(Timestamp::from_millis);
    match at.filter(|at| (0..=9999).contains(&at.civil().year)) {
        Some(at) if millis % SECOND == 0 => at.iso8601(),
        Some(at) => at.iso8601_millis(),
        None => decimal(millis, SECOND),
    }
}

pub(super) fn booleans() -> Vec<String> {
    vec!["true".to_owned(), "false".to_owned()]
}

pub(super) fn binaries(wanted: &[String]) -> Vec<String> {
    let known: BTreeSet<Vec<u8>> = wanted.iter().filter_map(|text| binary(text)).collect();
    let mut all: Vec<String> = wanted.iter().filter(|text| binary(text).is_some()).cloned().collect();
    let digits = || ('A'..='Z').chain('a'..='z').chain('0'..='9');
    let made = digits().flat_map(|a| digits().map(move |b| format!("{a}{b}AA")));
    let is_new = |text: &String| binary(text).is_some_and(|bytes| !known.contains(&bytes));
    all.extend(made.into_iter().find(is_new));
    all
}

pub(super) fn addresses(wanted: &[String]) -> Vec<String> {
    // The intervals between these are alike for every network.
    let mut v4: BTreeSet<u32> = BTreeSet::from([0]);
    let mut v6: BTreeSet<u128> = BTreeSet::from([0, MAPPED_LAST.saturating_add(1)]);
    for network in wanted.iter().filter_map(|text| Network::parse(text)) {
        match network.range() {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                v4.insert(u32::from(first));
                v4.extend(u32::from(last).checked_add(1));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                v6.insert(u128::from(first));
                v6.extend(u128::from(last).checked_add(1));
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
        }
    }
    let v4 = v4.into_iter().map(|bits| Ipv4Addr::from(bits).to_string());
    let v6 = v6.into_iter().filter(|bits| !(MAPPED_FIRST..=MAPPED_LAST).contains(bits));
    v4.chain(v6.map(|bits| Ipv6Addr::from(bits).to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::address;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn numbers_have_ends_gaps_and_outsides() {
        assert_eq!(numbers(&owned(&["10", "20", "x"])), ["9", "10", "11", "20", "21"]);
        assert_eq!(numbers(&owned(&["0.5", "0.25"])), ["-1", "0.25", "0.375", "0.5", "1"]);
        assert_eq!(numbers(&[]), ["0"]);
        let tight = owned(&["0.000000000000000001", "0.000000000000000002"]);
        assert_eq!(numbers(&tight).len(), 4, "no number lies between");
        let largest = "999999999999999999.999999999999999999";
        assert!(numbers(&owned(&[largest])).contains(&"999999999999999998".to_owned()));
        for made in numbers(&owned(&["-3.5", "999999999999999999"])) {
            assert!(Number::parse(&made).is_some(), "{made}");
        }
    }

    #[test]
    fn dates_have_ends_gaps_and_outsides() {
        let found = dates(&owned(&["2020-01-01", "2020-01-01T00:00:00.001Z"]));
        let certain = [
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:01Z",
            "2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00.001Z",
            "2020-01-01T00:00:01Z",
        ];
        let doubtful = [
            "-1", "-0", "0000", "0001", "0002", "1968", "1969", "1970", "1971", "2019", "2020", "2021",
            "9999",
        ];
        assert_eq!(found, [&certain[..], &doubtful[..]].concat());
        assert!(dates(&owned(&["253402300799"])).iter().any(|text| text == "253402300800"));
    }

    #[test]
    fn every_interval_of_addresses_has_a_value() {
        let found = addresses(&owned(&["10.0.0.0/8", "2001:db8::/32", "::ffff:1.2.3.4/128"]));
        for expected in ["0.0.0.0", "10.0.0.0", "11.0.0.0", "::", "2001:db8::", "2001:db9::", "::1:0:0:0"] {
            assert!(found.iter().any(|text| text == expected), "{expected} in {found:?}");
        }
        assert!(found.iter().all(|text| text.contains(':') == address(text).unwrap().is_ipv6()));
        assert_eq!(addresses(&owned(&["0.0.0.0/0", "255.255.255.255"])).len(), 4);
    }

    #[test]
    fn binary_has_a_value_that_is_not_listed() {
        assert_eq!(binaries(&owned(&["AAAA", "BAAA", "no"])), ["AAAA", "BAAA", "ABAA"]);
        assert!(binary(UNREADABLE).is_none() && date(UNREADABLE).is_none());
    }
}
