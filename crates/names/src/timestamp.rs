//! Instants in UTC, with the handful of textual forms AWS uses.

use std::{fmt, ops};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

/// The text is not a time in the expected form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTimestamp(());

/// A broken-down UTC time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Civil {
    pub year: i64,
    /// 1–12
    pub month: u32,
    /// 1–31
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub millisecond: u32,
    /// 0 = Sunday
    pub weekday: u32,
}

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds since the epoch with millisecond fraction, as JSON protocols send it.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 milliseconds, the year 287396")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This time moved by `seconds` (negative moves back).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// This time moved by `millis`.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// From a proleptic Gregorian date and time; `None` when a field is out of range.
    pub fn from_civil(year: i64, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Option<Self> {
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && (0..=9999).contains(&year);
        if !in_range {
            return None;
        }
        let seconds = days_from_civil(year, month, day) * 86_400
            + i64::from(hour) * 3600
            + i64::from(minute) * 60
            + i64::from(second);
        Some(Self::from_seconds(seconds))
    }

    /// The broken-down form.
    pub fn civil(self) -> Civil {
        let days = self.0.div_euclid(DAY_MS);
        let in_day = self.0.rem_euclid(DAY_MS);
        let (year, month, day) = civil_from_days(days);
        let field = |value: i64| u32::try_from(value).unwrap_or(0);
        Civil {
            year,
            month,
            day,
            hour: field(in_day / 3_600_000),
            minute: field(in_day / 60_000 % 60),
            second: field(in_day / 1000 % 60),
            millisecond: field(in_day % 1000),
            weekday: field((days + 4).rem_euclid(7)),
        }
    }

    /// `2026-11-24T02:19:55Z`.
    pub fn iso8601(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }

    /// `2026-11-24T02:19:55.123Z`.
    pub fn iso8601_millis(self) -> String {
        let c = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.millisecond
        )
    }

    /// `20261124T021955Z`, the form of `X-Amz-Date`.
    pub fn amz_date(self) -> String {
        let c = self.civil();
        format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }

    /// `Tue, 24 Nov 2026 02:19:55 GMT` (RFC 9110).
    pub fn http_date(self) -> String {
        let c = self.civil();
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            c.weekday_name(),
            c.day,
            c.month_name(),
            c.year,
            c.hour,
            c.minute,
            c.second
        )
    }

    /// Parses `YYYYMMDD'T'HHMMSS'Z'`.
    pub fn parse_amz_date(text: &str) -> Result<Self, InvalidTimestamp> {
        let shape_ok = text.len() == 16
            && text.bytes().enumerate().all(|(i, b)| match i {
                8 => b == b'T',
                15 => b == b'Z',
                _ => b.is_ascii_digit(),
            });
        if !shape_ok {
            return Err(InvalidTimestamp(()));
        }
        let n = |range: ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u32>().ok());
        let made = (|| {
            Self::from_civil(i64::from(n(0..4)?), n(4..6)?, n(6..8)?, n(9..11)?, n(11..13)?, n(13..15)?)
        })();
        made.ok_or(InvalidTimestamp(()))
    }

    /// Parses ISO 8601 in the shapes AWS accepts: a date, or date and time with optional fraction and `Z` or `±hh:mm`.
    pub fn parse_iso8601(text: &str) -> Result<Self, InvalidTimestamp> {
        parse_iso8601(text).ok_or(InvalidTimestamp(()))
    }
}

impl Civil {
    /// `Jan` … `Dec`.
    pub fn month_name(&self) -> &'static str {
        MONTHS.get(self.month as usize - 1).copied().unwrap_or("???")
    }

    /// `Sun` … `Sat`.
    pub fn weekday_name(&self) -> &'static str {
        WEEKDAYS.get(self.weekday as usize).copied().unwrap_or("???")
    }
}

impl ops::Sub for Timestamp {
    /// Milliseconds.
    type Output = i64;

    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso8601_millis())
    }
}

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time in the expected form")
    }
}

impl std::error::Error for InvalidTimestamp {}

fn parse_iso8601(text: &str) -> Option<Timestamp> {
    let number = |part: &str, width: usize| -> Option<u32> {
        (part.len() == width && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    let (date, time) = text.split_once(['T', 't']).map_or((text, None), |(d, t)| (d, Some(t)));
    let mut fields = date.split('-');
    let year = number(fields.next()?, 4)?;
    let month = fields.next().map_or(Some(1), |m| number(m, 2))?;
    let day = fields.next().map_or(Some(1), |d| number(d, 2))?;
    if fields.next().is_some() {
        return None;
    }
    let Some(time) = time else { return Timestamp::from_civil(i64::from(year), month, day, 0, 0, 0) };
    let (clock, offset_s) = split_offset(time)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut fields = whole.split(':');
    let hour = number(fields.next()?, 2)?;
    let minute = number(fields.next()?, 2)?;
    let second = fields.next().map_or(Some(0), |s| number(s, 2))?;
    if fields.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let base = Timestamp::from_civil(i64::from(year), month, day, hour, minute, second)?;
    Some(base.plus_millis(millis).plus_seconds(-offset_s))
}

/// Splits `12:00:00+01:00` into the clock part and the offset in seconds. No offset at all counts as UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (clock, offset) = time.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    if digits.len() != 4 {
        return None;
    }
    let value: i64 = digits.parse().ok()?;
    let (hours, minutes) = (value / 100, value % 100);
    (hours < 24 && minutes < 60).then_some((clock, sign * (hours * 3600 + minutes * 60)))
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 (Howard Hinnant's civil calendar algorithm).
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = u32::try_from(day_of_year - (153 * shifted + 2) / 5 + 1).unwrap_or(1);
    let month = u32::try_from(if shifted < 10 { shifted + 3 } else { shifted - 9 }).unwrap_or(1);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_round_trip() {
        let t = Timestamp::parse_amz_date("20261124T021955Z").unwrap();
        assert_eq!(t.amz_date(), "20261124T021955Z");
        assert_eq!(t.iso8601(), "2026-11-24T02:19:55Z");
        assert_eq!(t.http_date(), "Tue, 24 Nov 2026 02:19:55 GMT");
        assert_eq!(Timestamp::parse_iso8601(&t.iso8601_millis()), Ok(t));
        assert_eq!(Timestamp::parse_iso8601("2026-11-24T03:19:55.5+01:00"), Ok(t.plus_millis(500)));
    }

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        for day in -146_097..146_097 {
            let t = Timestamp::from_millis(day * DAY_MS);
            let c = t.civil();
            assert_eq!(Timestamp::from_civil(c.year, c.month, c.day, 0, 0, 0), Some(t));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["20260230T000000Z", "20261301T000000Z", "20261124T240000Z", "2026112T021955Z", ""] {
            assert!(Timestamp::parse_amz_date(text).is_err(), "{text}");
        }
        for text in ["", "2026-13-01", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+9", "x"] {
            assert!(Timestamp::parse_iso8601(text).is_err(), "{text}");
        }
    }
}
