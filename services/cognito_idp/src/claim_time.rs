//! The `TIMESTAMP` of a password claim: `EEE MMM d HH:mm:ss UTC yyyy`, in English, the day not padded. Parsing and canonical
//! re-rendering only; whether a time is fresh is decided by whoever holds the clock.

use casemate_names::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Milliseconds a claim's time may lie before or after ours. Ours, not AWS's: its window is not documented ("within a few
/// seconds"), so this follows SigV4's customary five minutes.
pub const SKEW_MS_MAX: i64 = 5 * 60 * 1000;

/// AWS: recorded by others from the service.
pub const FORMAT_TEXT: &str = "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english.";

/// Reads the text leniently: a padded day and a wrong weekday parse, as they do at AWS, and then fail the proof because
/// [`render`] writes them differently. `None` if it is not a time of this form.
pub fn parse(text: &str) -> Option<Timestamp> {
    let mut fields = text.split(' ');
    let weekday = fields.next()?;
    let month = fields.next()?;
    let (day, clock, zone, year) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || !WEEKDAYS.contains(&weekday) || !matches!(zone, "UTC" | "GMT") {
        return None;
    }
    let month = u32::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let mut parts = clock.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    Timestamp::from_civil(i64::from(number(year, 4)?), month, number(day, 2)?, hour, minute, second)
}

/// The one canonical text of a time, which is what gets signed.
pub fn render(time: Timestamp) -> String {
    let c = time.civil();
    format!(
        "{} {} {} {:02}:{:02}:{:02} UTC {}",
        c.weekday_name(),
        c.month_name(),
        c.day,
        c.hour,
        c.minute,
        c.second,
        c.year
    )
}

fn number(text: &str, digits_max: usize) -> Option<u32> {
    let legal = (1..=digits_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_round_trips() {
        for text in
            ["Mon Nov 23 12:00:00 UTC 2026", "Thu Jan 1 00:00:00 UTC 1970", "Sat Feb 29 23:59:59 UTC 2020"]
        {
            assert_eq!(render(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn padded_day_and_wrong_weekday_parse_but_render_otherwise() {
        for text in
            ["Tue Nov 03 12:00:00 UTC 2026", "Fri Nov 23 12:00:00 UTC 2026", "Mon Nov 23 12:00:00 GMT 2026"]
        {
            assert_ne!(render(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "Mon Nov 23 12:00:00 2026",
            "Montag Nov 23 12:00:00 UTC 2026",
            "Mon Nov 31 12:00:00 UTC 2026",
            "Mon Nov 23 25:00:00 UTC 2026",
            "Mon Nov 23 12:00:00 UTC 2026 ",
            "Mon Nov 23 12:00:00:00 UTC 2026",
            "2026-11-23T12:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
