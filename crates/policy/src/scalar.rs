//! The typed values of conditions: numbers, dates, networks, booleans, binary. What cannot be read equals nothing.

use std::net::{IpAddr, Ipv6Addr};

use casemate_names::Timestamp;

/// Digits kept behind the decimal point, and the most before it.
const DIGITS: usize = 18;

/// A decimal number, exact: scaled by 10^18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(i128);

impl Number {
    /// Reads `[+-]digits[.digits]`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(whole) = short_whole(text.as_bytes()) {
            return Some(Self(i128::from(whole) * i128::from(10_u64.pow(18))));
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fraction_text = fraction.unwrap_or("");
        let empty = whole.is_empty() && fraction_text.is_empty() || fraction == Some("");
        let too_long = whole.len() > DIGITS || fraction_text.len() > DIGITS;
        if empty || too_long || !all_digits(whole) || !all_digits(fraction_text) {
            return None;
        }
        let digits =
            |text: &str| text.bytes().fold(0_u64, |so_far, digit| so_far * 10 + u64::from(digit - b'0'));
        let missing = u32::try_from(DIGITS - fraction_text.len()).ok()?;
        let fraction = i128::from(digits(fraction_text)) * i128::from(10_u64.pow(missing));
        let scaled = i128::from(digits(whole)) * i128::from(10_u64.pow(18)) + fraction;
        Some(Self(if negative { -scaled } else { scaled }))
    }

    /// The number times 10^18.
    pub(crate) fn scaled(self) -> i128 {
        self.0
    }
}

/// Reads nothing but digits, and no more of them than fit; the usual number.
fn short_whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > DIGITS {
        return None;
    }
    let mut so_far = 0_u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        so_far = so_far * 10 + u64::from(digit);
    }
    Some(so_far)
}

/// The moment that a text names, as either of two careful readers has it; `None`: to that reader it is no date.
// DIVERGES: where AWS does not say. A negative number of seconds may be no date, and four digits may be a year (the W3C profile
// of ISO 8601) or seconds since the epoch: both readings are tried, and an Allow needs both while a Deny needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date(pub(crate) [Option<Timestamp>; 2]);

impl Date {
    pub(crate) fn parse(text: &str) -> Self {
        let at = date(text);
        let second = if text.starts_with('-') {
            None
        } else if let Some(year) = fixed(text, 4) {
            Timestamp::from_civil(i64::from(year), 1, 1, 0, 0, 0)
        } else {
            at
        };
        Self([at, second])
    }

    /// The moment, where both readers agree on it.
    pub(crate) fn certain(self) -> Option<Timestamp> {
        let [one, other] = self.0;
        one.filter(|_| one == other)
    }
}

/// Reads an ISO 8601 date or date and time, or seconds since the epoch.
// AWS: the W3C profile of ISO 8601, or epoch (UNIX) time.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    if text.as_bytes().get(4) != Some(&b'-') {
        let Number(scaled) = Number::parse(text)?;
        let millis = scaled / 1_000_000_000_000_000;
        return i64::try_from(millis).ok().map(Timestamp::from_millis);
    }
    if let Some(usual) = usual_date(text.as_bytes()) {
        return Some(usual);
    }
    let (day, time) = text.split_once(['T', 't']).map_or((text, None), |(d, t)| (d, Some(t)));
    let mut parts = day.split('-');
    let year = fixed(parts.next()?, 4)?;
    let month = fixed(parts.next()?, 2)?;
    let day = parts.next().map_or(Some(1), |day| fixed(day, 2))?;
    if parts.next().is_some() {
        return None;
    }
    let (clock, offset_minutes) = time.map_or(Some(("00:00", 0)), zone)?;
    let mut parts = clock.split(':');
    let hour = fixed(parts.next()?, 2)?;
    let minute = fixed(parts.next()?, 2)?;
    let (second, millis) = parts.next().map_or(Some((0, 0)), seconds)?;
    if parts.next().is_some() {
        return None;
    }
    let local = Timestamp::from_civil(i64::from(year), month, day, hour, minute, second)?;
    Some(local.plus_millis(millis).plus_seconds(-60 * offset_minutes))
}

/// `YYYY-MM-DDThh:mm:ssZ`, the shape of `aws:CurrentTime`, without searching; `None` if it is not a date of that shape.
fn usual_date(text: &[u8]) -> Option<Timestamp> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1, b':', s0, s1, b'Z'] = text
    else {
        return None;
    };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let two = |tens: &u8, ones: &u8| Some(digit(tens)? * 10 + digit(ones)?);
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    Timestamp::from_civil(i64::from(year), month, day, two(h0, h1)?, two(n0, n1)?, two(s0, s1)?)
}

/// Splits a time of day from its zone, which must be given: the offset is in minutes east.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, offset) = time.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = offset.strip_prefix(['+', '-'])?;
    let (hours, minutes) = offset.split_once(':').or_else(|| offset.split_at_checked(2))?;
    let (hours, minutes) = (fixed(hours, 2)?, fixed(minutes, 2)?);
    (hours < 24 && minutes < 60).then(|| (clock, sign * i64::from(hours * 60 + minutes)))
}

/// Seconds and milliseconds of `05` or `05.123`.
fn seconds(text: &str) -> Option<(u32, i64)> {
    let Some((whole, fraction)) = text.split_once('.') else { return Some((fixed(text, 2)?, 0)) };
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain([b'0', b'0']).take(3);
    let millis = digits.fold(0, |so_far, digit| so_far * 10 + i64::from(digit - b'0'));
    Some((fixed(whole, 2)?, millis))
}

fn fixed(text: &str, length: usize) -> Option<u32> {
    let digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// An address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    base: IpAddr,
    /// In bits.
    prefix: u32,
}

impl Network {
    /// Reads an address or an address with a prefix length. Bits beyond the prefix are ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let base: IpAddr = address.parse().ok()?;
        let longest = bits(base);
        let prefix = match prefix {
            None => longest,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= longest)?
            }
            Some(_) => return None,
        };
        Some(Self { base, prefix })
    }

    /// The first and the last address.
    pub(crate) fn range(self) -> (IpAddr, IpAddr) {
        match self.base {
            IpAddr::V4(base) => {
                let host = u32::MAX.checked_shr(self.prefix).unwrap_or(0);
                let base = u32::from(base);
                (IpAddr::V4((base & !host).into()), IpAddr::V4((base | host).into()))
            }
            IpAddr::V6(base) => {
                let host = u128::MAX.checked_shr(self.prefix).unwrap_or(0);
                let base = u128::from(base);
                (IpAddr::V6((base & !host).into()), IpAddr::V6((base | host).into()))
            }
        }
    }

    /// In bits.
    pub(crate) fn prefix(self) -> u32 {
        self.prefix
    }

    pub(crate) fn is_v4(self) -> bool {
        self.base.is_ipv4()
    }

    /// Whether the address lies in the range. The other family never does.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(self.prefix);
                u32::from(base).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(self.prefix);
                u128::from(base).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Reads an address; an IPv4 address in IPv6 clothing is the IPv4 address.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

/// Reads `true` or `false` in any case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Decodes standard base64 with padding.
pub(crate) fn binary(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut buffer, mut held) = (0_u32, 0_u32);
    for byte in bytes.iter().take(bytes.len() - padding) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(buffer >> held & 0xff).unwrap_or(0));
            buffer &= (1 << held) - 1;
        }
    }
    (buffer == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_garbage_is_none() {
        assert_eq!(Number::parse("10"), Number::parse("10.0"));
        assert!(Number::parse("9007199254740993") > Number::parse("9007199254740992"));
        assert!(Number::parse("-2") < Number::parse("-1.5"));
        assert_eq!(Number::parse(".5"), Number::parse("0.5"));
        for text in ["", "-", ".", "1.", "1e5", "0x1", " 1", "1 ", "NaN", "1.2.3", "1234567890123456789"] {
            assert_eq!(Number::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_read_to_eighteen_digits_on_either_side_and_not_beyond() {
        let number = |text: &str| Number::parse(text).unwrap_or_else(|| panic!("{text}"));
        let nines = "9".repeat(DIGITS);
        let smallest = format!("0.{}1", "0".repeat(DIGITS - 1));
        for (less, more) in [
            ("1", "1.5"),
            ("1.5", "1.75"),
            ("-1.5", "-1.25"),
            ("-0.5", "0"),
            ("9", "10"),
            ("0", &smallest),
            (&"9".repeat(DIGITS - 1), &nines),
            (&nines, &format!("{nines}.{nines}")),
        ] {
            assert!(number(less) < number(more), "{less} {more}");
        }
        assert_eq!(number("0.50"), number("0.5"));
        assert_eq!(number("+7"), number("7"));
        assert_eq!(number("-1.5").scaled(), -1_500_000_000_000_000_000);
        for text in [&format!("{nines}9"), &format!("{nines}9.5"), &format!("{smallest}0"), "/", "1:", "0a"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_have_several_shapes() {
        let noon = Some(Timestamp::from_civil(2013, 8, 16, 12, 0, 0).unwrap());
        for text in [
            "2013-08-16T12:00:00Z",
            "2013-08-16T12:00Z",
            "2013-08-16T12:00:00.000Z",
            "2013-08-16T14:00:00+02:00",
            "2013-08-16T07:00:00-0500",
            "1376654400",
        ] {
            assert_eq!(date(text), noon, "{text}");
        }
        assert_eq!(date("2013-08-16"), date("2013-08-16T00:00:00Z"));
        for text in ["", "tomorrow", "2013-13-01", "2013-08-16T12:00:00", "2013-8-16", "2013-08-16T25:00Z"] {
            assert_eq!(date(text), None, "{text:?}");
        }
    }

    #[test]
    fn networks_contain_only_their_family() {
        let within =
            |network: &str, ip: &str| Network::parse(network).unwrap().contains(address(ip).unwrap());
        assert!(within("203.0.113.0/24", "203.0.113.77"));
        assert!(within("203.0.113.77/24", "203.0.113.1"));
        assert!(!within("203.0.113.0/24", "203.0.114.1"));
        assert!(within("0.0.0.0/0", "1.2.3.4"));
        assert!(within("2001:db8::/32", "2001:db8:1::1"));
        assert!(!within("0.0.0.0/0", "2001:db8::1"));
        assert!(!within("::/0", "1.2.3.4"));
        assert!(within("1.2.3.4", "::ffff:1.2.3.4"));
        for text in ["", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+8", "::/129", "01.2.3.4", "10.0.0.00/8"]
        {
            assert_eq!(Network::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(binary("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(binary(""), Some(Vec::new()));
        for text in ["aGVsbG8", "aGVsbG8==", "a===", "aGVs bG8=", "aGVsbG9=", "----"] {
            assert_eq!(binary(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_zone_is_less_than_a_day_and_counts_hours_and_minutes() {
        let utc = |text: &str| date(text).map(Timestamp::millis);
        for wrong in ["+24:00", "+23:60", "-24:00", "-00:60", "+99:99", "+1:00", "", "+"] {
            assert_eq!(date(&format!("2020-06-15T12:00:00{wrong}")), None, "{wrong}");
        }
        assert_eq!(utc("2020-06-15T12:00:00+05:45"), utc("2020-06-15T06:15:00Z"));
        assert_eq!(utc("2020-06-15T12:00:00-05:45"), utc("2020-06-15T17:45:00Z"));
        assert_eq!(utc("2020-06-15T12:00:00+23:59"), utc("2020-06-14T12:01:00Z"));
    }

    #[test]
    fn fractions_of_a_second_are_thousandths_of_at_most_nine_digits() {
        let of = |fraction: &str| date(&format!("2020-06-15T12:00:00{fraction}Z")).map(Timestamp::millis);
        let whole = of("").unwrap();
        for (fraction, millis) in [(".1", 100), (".12", 120), (".123", 123), (".123456789", 123), (".009", 9)]
        {
            assert_eq!(of(fraction), Some(whole + millis), "{fraction}");
        }
        for wrong in [".", ".1234567890", ".x", ".1x", ".-1"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_usual_shape_of_a_date_reads_as_any_other() {
        for (day, clock) in [
            ("2011-11-12", "11:13:14"),
            ("2004-05-06", "07:08:09"),
            ("1999-12-31", "23:59:59"),
            ("2024-02-29", "10:20:30"),
        ] {
            let usual = date(&format!("{day}T{clock}Z"));
            assert!(usual.is_some());
            assert_eq!(usual, date(&format!("{day}T{clock}.000Z")), "{day}");
            assert_eq!(usual, date(&format!("{day}T{clock}+00:00")), "{day}");
        }
    }

    #[test]
    fn bits_of_a_network_beyond_its_prefix_are_ignored() {
        let range = |text: &str| Network::parse(text).unwrap().range();
        assert_eq!(range("10.1.2.7/8"), range("10.0.0.0/8"));
        assert_eq!(range("2001:db8::7/32"), range("2001:db8::/32"));
    }

    #[test]
    fn base64_has_its_whole_alphabet_and_at_most_two_signs_of_padding() {
        assert_eq!(binary("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(binary("YQ=="), Some(b"a".to_vec()));
        assert_eq!(binary("YWE="), Some(b"aa".to_vec()));
        for wrong in ["Y===", "====", "YQ=", "YR==", "Y-__", "Y Q="] {
            assert_eq!(binary(wrong), None, "{wrong}");
        }
    }
}
