//! The three time claims. The time of day is a parameter.

use std::fmt;

use casemate_names::Timestamp;
use serde_json::{Map, Value};

/// Why a token is not good at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidTime {
    /// `exp` is missing; a token without an end is not accepted.
    MissingExpiry,
    /// `exp`, `nbf` or `iat` is not a number of seconds.
    NotANumber(&'static str),
    /// `exp` has come.
    Expired,
    /// `nbf` is still to come.
    NotYetValid,
}

/// Judges `exp` (mandatory) and `nbf`, with `leeway_s` seconds of tolerance for the clocks of other issuers (0 for
/// tokens of our own). `iat` must be a number if it is there.
pub fn check_times(claims: &Map<String, Value>, now: Timestamp, leeway_s: i64) -> Result<(), InvalidTime> {
    let expires_at = seconds(claims, "exp")?.ok_or(InvalidTime::MissingExpiry)?;
    let not_before = seconds(claims, "nbf")?;
    seconds(claims, "iat")?;
    if now >= expires_at.plus_seconds(leeway_s) {
        return Err(InvalidTime::Expired);
    }
    if not_before.is_some_and(|start| start > now.plus_seconds(leeway_s)) {
        return Err(InvalidTime::NotYetValid);
    }
    Ok(())
}

/// RFC 7519 allows fractions; they are cut, which ends a token earlier, never later.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, InvalidTime> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "guarded by the range; fractions are to be cut")]
    let whole = value.as_i64().or_else(|| {
        value.as_f64().filter(|seconds| (0.0..MAX_SECONDS).contains(seconds)).map(|seconds| seconds as i64)
    });
    whole.map(|s| Some(Timestamp::from_seconds(s))).ok_or(InvalidTime::NotANumber(name))
}

/// Fractional times beyond this are nonsense: the year 287396, where milliseconds leave the exact range of a double.
const MAX_SECONDS: f64 = 9_007_199_254_740.0;

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingExpiry => f.write_str("no expiry"),
            Self::NotANumber(name) => write!(f, "{name} is not a number of seconds"),
            Self::Expired => f.write_str("expired"),
            Self::NotYetValid => f.write_str("not yet valid"),
        }
    }
}

impl std::error::Error for InvalidTime {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(claims: &Value, now_s: i64) -> Result<(), InvalidTime> {
        check_times(claims.as_object().unwrap(), Timestamp::from_seconds(now_s), 0)
    }

    #[test]
    fn a_token_is_good_until_just_before_its_expiry() {
        let claims = json!({ "exp": 100, "iat": 50 });
        assert_eq!(judge(&claims, 99), Ok(()));
        assert_eq!(judge(&claims, 100), Err(InvalidTime::Expired));
        assert_eq!(judge(&json!({ "exp": 100.9 }), 100), Err(InvalidTime::Expired));
    }

    #[test]
    fn a_token_without_expiry_or_before_its_start_is_refused() {
        assert_eq!(judge(&json!({}), 0), Err(InvalidTime::MissingExpiry));
        assert_eq!(judge(&json!({ "exp": 100, "nbf": 60 }), 59), Err(InvalidTime::NotYetValid));
        assert_eq!(judge(&json!({ "exp": 100, "nbf": 60 }), 60), Ok(()));
    }

    #[test]
    fn times_that_are_not_numbers_are_refused() {
        for claims in
            [json!({ "exp": "100" }), json!({ "exp": null }), json!({ "exp": 1e300 }), json!({ "exp": -0.5 })]
        {
            assert_eq!(judge(&claims, 0), Err(InvalidTime::NotANumber("exp")), "{claims}");
        }
        assert_eq!(judge(&json!({ "exp": 100, "iat": "x" }), 0), Err(InvalidTime::NotANumber("iat")));
        assert_eq!(judge(&json!({ "exp": 100, "nbf": [] }), 0), Err(InvalidTime::NotANumber("nbf")));
    }
}
