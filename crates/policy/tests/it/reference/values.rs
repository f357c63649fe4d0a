//! Values of conditions that are more than texts: numbers, dates, addresses and bytes, written out and compared.

use super::Maybe;

pub(super) fn ordered(name: &str, found: std::cmp::Ordering) -> bool {
    match name {
        "Equals" => found.is_eq(),
        "LessThan" => found.is_lt(),
        "LessThanEquals" => found.is_le(),
        "GreaterThan" => found.is_gt(),
        "GreaterThanEquals" => found.is_ge(),
        other => panic!("{other}"),
    }
}

/// AWS does not say whether a negative number of seconds is a date, and whether four digits are a year or seconds: a pair
/// of texts says what it says however they are read, or nothing.
pub(super) fn dates(name: &str, value: &str, wanted: &str) -> Option<Maybe> {
    let readings = |text: &str| {
        let year = text.len() == 4 && text.chars().all(|c| c.is_ascii_digit());
        let other = if year { days(&format!("{text}-01-01")) } else { days(text) };
        vec![days(text), if text.starts_with('-') { None } else { other }]
    };
    let mut answers: Vec<Option<bool>> = Vec::new();
    for value in readings(value) {
        for wanted in readings(wanted) {
            answers.push(value.zip(wanted).map(|(value, wanted)| ordered(name, value.cmp(&wanted))));
        }
    }
    answers.dedup();
    if let [one] = answers.as_slice() {
        return one.map(Some);
    }
    // A reader that cannot read says no, where the operator is not negated; nobody says yes then.
    (answers.contains(&Some(true))).then_some(None)
}

/// A decimal number times 10^18. More than eighteen digits before or behind the point are read by nobody.
pub(super) fn number(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let legal = |part: &str| part.len() <= 18 && part.chars().all(|c| c.is_ascii_digit());
    if digits.is_empty() || fraction.is_empty() || !legal(whole) || !legal(fraction) {
        return None;
    }
    Some(sign * format!("{whole:0>18}{fraction:0<18}").parse::<i128>().unwrap())
}

/// Milliseconds since 1970 of `YYYY-MM-DD`, `YYYY-MM` or of a number of seconds: the shapes that the generator writes.
fn days(text: &str) -> Option<i64> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape == "0000-00" {
        return days(&format!("{text}-01"));
    }
    if shape != "0000-00-00" {
        return i64::try_from(number(text)? / 1_000_000_000_000_000).ok();
    }
    let leap = |year: i64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let (year, month, day): (i64, i64, i64) =
        (text[..4].parse().unwrap(), text[5..7].parse().unwrap(), text[8..].parse().unwrap());
    let length = |year: i64| if leap(year) { 366 } else { 365 };
    let years: i64 = (1970..year).map(length).sum::<i64>() - (year..1970).map(length).sum::<i64>();
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&month) || !(1..=lengths[usize::try_from(month).unwrap() - 1]).contains(&day) {
        return None;
    }
    let months: i64 = lengths[..usize::try_from(month).unwrap() - 1].iter().sum();
    Some((years + months + day - 1) * 86_400_000)
}

pub(super) fn ip(value: &str, wanted: &str) -> Option<bool> {
    let (base, length) = wanted.split_once('/').map_or((wanted, None), |(base, length)| (base, Some(length)));
    let (mut value, base) = (address_bits(value)?, address_bits(base)?);
    // An IPv4 address in IPv6 clothing (RFC 4291, 2.5.5.2) is the IPv4 address. What a policy writes is taken as written.
    let clothing = format!("{}{}", "0".repeat(80), "1".repeat(16));
    if let Some(inner) = value.strip_prefix(&clothing) {
        value = inner.to_owned();
    }
    let length = match length {
        None => base.len(),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
        Some(_) => return None,
    };
    (length <= base.len()).then(|| value.len() == base.len() && value[..length] == base[..length])
}

/// The bits of an address, written out: 32 or 128 of them.
fn address_bits(text: &str) -> Option<String> {
    if !text.contains(':') {
        return dotted_bits(text);
    }
    // RFC 4291, 2.2: at most one `::`, which stands for as many groups of zeroes as are missing, and for one at least.
    let (before, after) = text.split_once("::").map_or((text, None), |(before, after)| (before, Some(after)));
    let (before, after) = (group_bits(before, after.is_none())?, after.map(|a| group_bits(a, true)));
    match after {
        None => (before.len() == 128).then_some(before),
        Some(after) => {
            let after = after?;
            let missing = 128_usize.checked_sub(before.len() + after.len())?;
            (missing >= 16).then(|| before + &"0".repeat(missing) + &after)
        }
    }
}

/// The bits of groups with colons between them; at the end of an address the last two may be written with dots.
fn group_bits(text: &str, at_the_end: bool) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let groups: Vec<&str> = text.split(':').collect();
    let last = groups.len() - 1;
    let group = |(at, group): (usize, &&str)| {
        if at_the_end && at == last && group.contains('.') {
            return dotted_bits(group);
        }
        let hex = (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u16::from_str_radix(group, 16).ok().map(|number| format!("{number:016b}"))).flatten()
    };
    groups.iter().enumerate().map(group).collect()
}

fn dotted_bits(text: &str) -> Option<String> {
    // "010" is eight to some readers and ten to others, so it is no part of an address (RFC 3986, `dec-octet`).
    let part = |text: &str| {
        let plain =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        plain.then(|| text.parse::<u8>().ok()).flatten()
    };
    let parts: Vec<u8> = text.split('.').map(part).collect::<Option<_>>()?;
    let written: Vec<String> = parts.iter().map(|part| format!("{part:08b}")).collect();
    (parts.len() == 4).then(|| written.concat())
}

/// The bits of a text in standard base64 with its padding, written out.
pub(super) fn base64(text: &str) -> Option<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let signs = text.trim_end_matches('=');
    let padding = text.len() - signs.len();
    let bits: String =
        signs.chars().map(|c| Some(format!("{:06b}", ALPHABET.find(c)?))).collect::<Option<_>>()?;
    let whole = bits.len() / 8 * 8;
    let legal = text.len().is_multiple_of(4) && padding <= 2 && !bits[whole..].contains('1');
    legal.then(|| bits[..whole].to_owned())
}

#[test]
fn addresses_are_read_as_the_standard_library_reads_them() {
    let texts = [
        "::",
        "::1",
        "1::",
        "1::2",
        ":::",
        "1:2",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "1::2::3",
        ":1",
        "1:",
        "12345::",
        "g::",
        "::1.2.3.4",
        "1.2.3.4::",
        "::1.2.3",
        "::+1",
        "1:2:3:4:5:6:1.2.3.4",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::ffff:1.2.3.4",
        "1.2.3.4",
        "1.2.3",
        "01.2.3.4",
        "256.1.1.1",
        "+1.2.3.4",
        "",
        "1.2.3.4.5",
        "0.0.0.0",
    ];
    for text in texts {
        let bits = text.parse::<std::net::IpAddr>().ok().map(|address| match address {
            std::net::IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
            std::net::IpAddr::V6(address) => format!("{:0128b}", u128::from(address)),
        });
        assert_eq!(address_bits(text), bits, "{text}");
    }
}
