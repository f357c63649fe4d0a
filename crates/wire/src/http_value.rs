//! Scalars as text: labels, query parameters, headers and form values, in both directions, and percent-encoding.
//! Knows which textual form a type has in which place; knows no message layout.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::Timestamp;
use casemate_schema::{Document, Kind, Schema, TimestampFormat};

use crate::DecodeError;

/// Where text stands, which decides how instants are written when the model does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A label or query parameter, or an awsQuery value: ISO 8601.
    Uri,
    /// A header: RFC 822.
    Header,
}

impl Place {
    fn timestamp_format(self) -> TimestampFormat {
        match self {
            Self::Uri => TimestampFormat::Iso8601,
            Self::Header => TimestampFormat::Rfc822,
        }
    }
}

/// Reads a scalar of `schema` from text.
pub(crate) fn read_scalar(
    schema: &Schema,
    over: Option<TimestampFormat>,
    place: Place,
    text: &str,
) -> Result<Document, DecodeError> {
    // AWS: the words of Java's NumberFormatException, which the vendor's front ends pass on.
    let bad = || DecodeError::serialization(format!("For input string: \"{}\"", clip(text)));
    Ok(match &schema.kind {
        Kind::String | Kind::Enum(_) => Document::String(text.to_owned()),
        Kind::Boolean => match text {
            "true" => Document::Bool(true),
            "false" => Document::Bool(false),
            _ => return Err(bad()),
        },
        Kind::Integer => Document::Integer(text.parse::<i32>().map_err(|_| bad())?.into()),
        Kind::Long => Document::Integer(text.parse::<i64>().map_err(|_| bad())?),
        Kind::Float | Kind::Double => Document::Double(read_double(text).ok_or_else(bad)?),
        Kind::Blob => Document::Blob(read_base64(text)?.into()),
        Kind::Timestamp(own) => {
            let format = over.or(*own).unwrap_or(place.timestamp_format());
            Document::Timestamp(read_timestamp(format, text).ok_or_else(bad)?)
        }
        Kind::List { .. } | Kind::Map { .. } | Kind::Structure { .. } => {
            return Err(DecodeError::serialization("Unexpected value where a list or structure belongs"));
        }
    })
}

/// Writes a scalar as text. Lists, maps and structures have no such form and give `None`, as does nothing at all.
pub(crate) fn write_scalar(
    schema: &Schema,
    over: Option<TimestampFormat>,
    place: Place,
    value: &Document,
) -> Option<String> {
    Some(match value {
        Document::Null | Document::List(_) | Document::Map(_) => return None,
        Document::Bool(value) => value.to_string(),
        Document::Integer(value) => value.to_string(),
        Document::Double(value) => write_double(*value),
        Document::String(text) => text.clone(),
        Document::Blob(bytes) => STANDARD.encode(bytes),
        Document::Timestamp(time) => {
            let own = if let Kind::Timestamp(own) = &schema.kind { *own } else { None };
            write_timestamp(over.or(own).unwrap_or(place.timestamp_format()), *time)
        }
    })
}

/// Reads an instant.
pub(crate) fn read_timestamp(format: TimestampFormat, text: &str) -> Option<Timestamp> {
    match format {
        TimestampFormat::Iso8601 => Timestamp::parse_iso8601(text).ok(),
        TimestampFormat::UnixTimestamp => timestamp_from_seconds(read_double(text)?),
        TimestampFormat::Rfc822 => read_rfc822(text),
    }
}

/// Writes an instant; milliseconds only where there are some and the form has them.
pub(crate) fn write_timestamp(format: TimestampFormat, time: Timestamp) -> String {
    let millis = time.millis().rem_euclid(1000);
    match format {
        TimestampFormat::Iso8601 if millis == 0 => time.iso8601(),
        TimestampFormat::Iso8601 => time.iso8601_millis(),
        TimestampFormat::UnixTimestamp => epoch_seconds(time),
        TimestampFormat::Rfc822 => time.http_date(),
    }
}

/// `1764000000` or `1764000000.25`: exact, shortest.
pub(crate) fn epoch_seconds(time: Timestamp) -> String {
    let (sign, magnitude) = if time.millis() < 0 {
        ("-", time.millis().unsigned_abs())
    } else {
        ("", time.millis().unsigned_abs())
    };
    let (seconds, millis) = (magnitude / 1000, magnitude % 1000);
    if millis == 0 {
        return format!("{sign}{seconds}");
    }
    format!("{sign}{seconds}.{millis:03}").trim_end_matches('0').to_owned()
}

/// From seconds with fraction; `None` outside the years 0 to 9999.
pub(crate) fn timestamp_from_seconds(seconds: f64) -> Option<Timestamp> {
    let in_range = seconds.is_finite() && (EPOCH_SECONDS_MIN..=EPOCH_SECONDS_MAX).contains(&seconds);
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    in_range.then(|| Timestamp::from_millis((seconds * 1000.0).round() as i64))
}

/// 0000-01-01T00:00:00Z
const EPOCH_SECONDS_MIN: f64 = -62_167_219_200.0;
/// 9999-12-31T23:59:59.999Z
const EPOCH_SECONDS_MAX: f64 = 253_402_300_799.999;

/// `Tue, 24 Nov 2026 02:19:55 GMT`
fn read_rfc822(text: &str) -> Option<Timestamp> {
    let (_weekday, rest) = text.split_once(", ")?;
    let mut fields = rest.split(' ');
    let day = fields.next()?.parse().ok()?;
    let name = fields.next()?;
    let month = (1..=12).find(|month| {
        Timestamp::from_civil(2000, *month, 1, 0, 0, 0).is_some_and(|t| t.civil().month_name() == name)
    })?;
    let year = fields.next()?.parse().ok()?;
    let mut clock = fields.next()?.split(':');
    let (hour, minute, second) =
        (clock.next()?.parse().ok()?, clock.next()?.parse().ok()?, clock.next()?.parse().ok()?);
    let ends = clock.next().is_none() && fields.next() == Some("GMT") && fields.next().is_none();
    ends.then(|| Timestamp::from_civil(year, month, day, hour, minute, second)).flatten()
}

/// Decimal notation, `NaN`, `Infinity`, `-Infinity`; nothing else Rust would take (`inf`, `nan`, `+1`).
pub(crate) fn read_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')) => {
            text.parse::<f64>().ok().filter(|value| value.is_finite())
        }
        _ => None,
    }
}

pub(crate) fn write_double(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        format!("{value:?}")
    }
}

/// Standard alphabet, padded, canonical.
pub(crate) fn read_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    STANDARD.decode(text).map_err(|_| DecodeError::serialization("Invalid Base64 text"))
}

pub(crate) fn write_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What `+` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself (paths).
    Literal,
    /// A space (forms and queries).
    Space,
}

/// Decodes percent-encoding; `None` for a broken escape or bytes that are not UTF-8.
pub(crate) fn percent_decode(text: &str, plus: Plus) -> Option<String> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// Encodes everything but the unreserved characters of RFC 3986 (and `/` where `keep_slash`).
pub(crate) fn percent_encode(text: &str, slash: Slash) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if slash == Slash::Kept => out.push('/'),
            other => out.extend(['%', digit(other >> 4), digit(other & 15)]),
        }
    }
    out
}

/// Whether `/` is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slash {
    /// Greedy labels keep it.
    Kept,
    /// Everything else encodes it.
    Encoded,
}

/// Splits a form or query string into decoded pairs, in order. A name without `=` has an empty value.
pub(crate) fn pairs(text: &str, pairs_max: usize) -> Result<Vec<(String, String)>, PairsError> {
    let mut found = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        if found.len() == pairs_max {
            return Err(PairsError::TooMany);
        }
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let decoded = percent_decode(name, Plus::Space).zip(percent_decode(value, Plus::Space));
        found.push(decoded.ok_or(PairsError::Malformed)?);
    }
    Ok(found)
}

/// Why a form cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairsError {
    /// A broken escape.
    Malformed,
    /// More pairs than allowed.
    TooMany,
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Messages quote at most this many characters of a value.
const QUOTED_MAX: usize = 64;

fn clip(text: &str) -> String {
    text.chars().take(QUOTED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%1", "%zz", "a%", "%ff", "%c3%28"] {
            assert_eq!(percent_decode(text, Plus::Literal), None, "{text}");
        }
    }

    #[test]
    fn plus_is_a_space_only_in_forms() {
        assert_eq!(percent_decode("a+b%2B", Plus::Space).as_deref(), Some("a b+"));
        assert_eq!(percent_decode("a+b", Plus::Literal).as_deref(), Some("a+b"));
    }

    #[test]
    fn doubles_of_other_dialects_are_refused() {
        for text in ["inf", "nan", "infinity", "", "0x1", "1_0", "1e999", "--1", " 1"] {
            assert_eq!(read_double(text), None, "{text}");
        }
    }

    #[test]
    fn instants_round_trip_in_every_form() {
        for millis in [0, 1, -1, 1_764_000_000_250, -62_167_219_200_000, 253_402_300_799_999] {
            let time = Timestamp::from_millis(millis);
            for format in [TimestampFormat::Iso8601, TimestampFormat::UnixTimestamp] {
                assert_eq!(read_timestamp(format, &write_timestamp(format, time)), Some(time), "{millis}");
            }
            let whole = Timestamp::from_seconds(time.seconds());
            let text = write_timestamp(TimestampFormat::Rfc822, whole);
            assert_eq!(read_timestamp(TimestampFormat::Rfc822, &text), Some(whole));
        }
    }

    #[test]
    fn instants_beyond_the_calendar_are_refused() {
        for text in ["1e300", "NaN", "253402300800", "-99999999999"] {
            assert_eq!(read_timestamp(TimestampFormat::UnixTimestamp, text), None, "{text}");
        }
    }
}
