//! DynamoDB's number: an exact decimal of up to 38 significant digits. Knows nothing of items, JSON or storage; it does
//! know a byte form whose order is the numbers' order, because sort keys need one.

use std::cmp::Ordering;
use std::fmt;

/// Significant digits a number may have. Source: DynamoDB developer guide, "Data types: number".
pub const DIGITS_MAX: u32 = 38;
/// Largest decimal exponent of the leading digit: 9.99…E+125.
pub const MAGNITUDE_MAX: i32 = 125;
/// Smallest decimal exponent of the leading digit: 1E-130.
pub const MAGNITUDE_MIN: i32 = -130;
/// Text longer than this is not looked at: 38 digits, a sign, a point and the zeros of the widest exponent fit easily.
const TEXT_BYTES_MAX: usize = 4096;

/// An exact decimal in canonical form: `coefficient × 10^exponent`.
///
/// INVARIANT: the coefficient has no trailing zero and at most [`DIGITS_MAX`] digits; zero is non-negative with exponent 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i32,
}

/// Text that is not a number DynamoDB can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberError {
    /// Not a number at all.
    Malformed(String),
    /// More than 38 significant digits.
    TooPrecise,
    /// Magnitude above 9.99…E+125.
    Overflow,
    /// Magnitude below 1E-130.
    Underflow,
}

impl fmt::Display for NumberError {
    // AWS: texts as the service words them (observed by many clients; see the developer guide for the limits).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) if text.is_empty() => {
                f.write_str("The parameter cannot be converted to a numeric value")
            }
            Self::Malformed(text) => {
                write!(f, "The parameter cannot be converted to a numeric value: {text}")
            }
            Self::TooPrecise => {
                f.write_str("Attempting to store more than 38 significant digits in a Number")
            }
            Self::Overflow => f.write_str(
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
            ),
            Self::Underflow => f.write_str(
                "Number underflow. Attempting to store a number with magnitude smaller than supported range",
            ),
        }
    }
}

impl std::error::Error for NumberError {}

impl Number {
    /// 0
    pub const ZERO: Self = Self { negative: false, coefficient: 0, exponent: 0 };

    /// Parses decimal text with optional sign, fraction and exponent.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let malformed = || NumberError::Malformed(text.to_owned());
        if text.len() > TEXT_BYTES_MAX {
            return Err(NumberError::Malformed(String::new()));
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => {
                let (mantissa, tail) = unsigned.split_at(at);
                let digits = tail.get(1..).unwrap_or("");
                (mantissa, parse_exponent(digits).ok_or_else(malformed)?)
            }
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(malformed());
        }
        let fraction_digits = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let mut builder = Builder::default();
        for byte in whole.bytes().chain(fraction.bytes()) {
            builder.digit(byte - b'0');
        }
        builder.finish(negative, exponent.saturating_sub(fraction_digits))
    }

    /// A whole number.
    pub fn from_u64(value: u64) -> Self {
        Self::build(false, u128::from(value), 0).unwrap_or(Self::ZERO)
    }

    /// Brings any coefficient of at most 39 digits into canonical form.
    fn build(negative: bool, mut coefficient: u128, mut exponent: i64) -> Result<Self, NumberError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        let digits = digit_count(coefficient);
        if digits > DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        let magnitude = exponent + i64::from(digits) - 1;
        if magnitude > i64::from(MAGNITUDE_MAX) {
            return Err(NumberError::Overflow);
        }
        if magnitude < i64::from(MAGNITUDE_MIN) {
            return Err(NumberError::Underflow);
        }
        let exponent = i32::try_from(exponent).map_err(|_| NumberError::Overflow)?;
        Ok(Self { negative, coefficient, exponent })
    }

    /// The exact sum, if 38 digits hold it.
    // DIVERGES: a sum that needs more than 38 digits is refused instead of rounded.
    pub fn plus(self, other: Self) -> Result<Self, NumberError> {
        if self.coefficient == 0 {
            return Ok(other);
        }
        if other.coefficient == 0 {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let shift = u32::try_from(high.exponent - low.exponent).unwrap_or(u32::MAX);
        let scaled = 10_u128
            .checked_pow(shift)
            .and_then(|factor| high.coefficient.checked_mul(factor))
            .ok_or(NumberError::TooPrecise)?;
        let (negative, coefficient) = if high.negative == low.negative {
            (high.negative, scaled.checked_add(low.coefficient).ok_or(NumberError::TooPrecise)?)
        } else if scaled >= low.coefficient {
            (high.negative, scaled - low.coefficient)
        } else {
            (low.negative, low.coefficient - scaled)
        };
        Self::build(negative, coefficient, i64::from(low.exponent))
    }

    /// The exact difference, if 38 digits hold it.
    pub fn minus(self, other: Self) -> Result<Self, NumberError> {
        self.plus(other.negated())
    }

    /// The same magnitude with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { negative: !self.negative && self.coefficient != 0, ..self }
    }

    /// Bytes this number counts for in an item's size.
    // AWS: one byte per two significant digits, one more, and one for the sign of a negative number (developer guide,
    // "Item sizes and formats").
    pub fn size(self) -> usize {
        let digits = usize::try_from(digit_count(self.coefficient)).unwrap_or(1);
        digits.div_ceil(2) + 1 + usize::from(self.negative)
    }

    /// The number as a whole non-negative number, if it is one that fits.
    pub fn as_u64(self) -> Option<u64> {
        if self.negative || self.exponent < 0 {
            return None;
        }
        let factor = 10_u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        u64::try_from(self.coefficient.checked_mul(factor)?).ok()
    }

    /// Appends a self-delimiting byte form whose lexicographic order is numeric order.
    ///
    /// Negative `00 !magnitude !pairs FF`, zero `01`, positive `02 magnitude pairs 00`, where a pair is two digits plus one.
    pub fn write_ordered(self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            out.push(1);
            return;
        }
        let mask = if self.negative { 0xFF } else { 0 };
        out.push(if self.negative { 0 } else { 2 });
        let biased = self.magnitude() - MAGNITUDE_MIN;
        out.push(u8::try_from(biased).unwrap_or(u8::MAX) ^ mask);
        let digits = digit_count(self.coefficient);
        let even = if digits % 2 == 1 { self.coefficient * 10 } else { self.coefficient };
        let mut divisor = 100_u128.pow(digits.div_ceil(2) - 1);
        while divisor > 0 {
            let pair = u8::try_from(even / divisor % 100).unwrap_or(0);
            out.push((pair + 1) ^ mask);
            divisor /= 100;
        }
        out.push(mask);
    }

    /// Reads what [`Self::write_ordered`] wrote, advancing `input`.
    pub fn read_ordered(input: &mut &[u8]) -> Option<Self> {
        let (sign, rest) = input.split_first()?;
        let mask = match sign {
            0 => 0xFF,
            1 => {
                *input = rest;
                return Some(Self::ZERO);
            }
            2 => 0,
            _ => return None,
        };
        let (biased, mut rest) = rest.split_first()?;
        let magnitude = i64::from(biased ^ mask) + i64::from(MAGNITUDE_MIN);
        let (mut coefficient, mut digits) = (0_u128, 0_i64);
        loop {
            let (byte, tail) = rest.split_first()?;
            rest = tail;
            let pair = match byte ^ mask {
                0 => break,
                pair @ 1..=100 => pair - 1,
                _ => return None,
            };
            coefficient = coefficient.checked_mul(100)?.checked_add(u128::from(pair))?;
            digits += 2;
        }
        if coefficient < 10_u128.checked_pow(u32::try_from(digits - 1).ok()?)? {
            return None;
        }
        *input = rest;
        Self::build(mask == 0xFF, coefficient, magnitude - digits + 1).ok()
    }

    /// Decimal exponent of the leading digit.
    fn magnitude(self) -> i32 {
        self.exponent + i32::try_from(digit_count(self.coefficient)).unwrap_or(1) - 1
    }
}

/// Collects digits, dropping leading zeros and holding back trailing ones.
#[derive(Default)]
struct Builder {
    coefficient: u128,
    zeros: i64,
    too_precise: bool,
}

impl Builder {
    fn digit(&mut self, digit: u8) {
        if digit == 0 {
            self.zeros += i64::from(self.coefficient != 0);
            return;
        }
        let scaled = u32::try_from(self.zeros + 1)
            .ok()
            .and_then(|power| 10_u128.checked_pow(power))
            .and_then(|factor| self.coefficient.checked_mul(factor));
        match scaled.and_then(|scaled| scaled.checked_add(u128::from(digit))) {
            Some(_) if self.coefficient == 0 => self.coefficient = u128::from(digit),
            Some(coefficient) => self.coefficient = coefficient,
            None => self.too_precise = true,
        }
        self.zeros = 0;
    }

    fn finish(self, negative: bool, exponent: i64) -> Result<Number, NumberError> {
        if self.too_precise {
            return Err(NumberError::TooPrecise);
        }
        Number::build(negative, self.coefficient, exponent.saturating_add(self.zeros))
    }
}

/// Digits with an optional sign; more than six digits can only overflow or underflow, so they are capped.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<i64>().unwrap_or(999_999).min(999_999);
    Some(if negative { -value } else { value })
}

fn digit_count(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(1, |log| log + 1)
}

impl fmt::Display for Number {
    // AWS: answers carry plain decimal notation without exponent, whatever was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = self.coefficient.to_string();
        if self.exponent >= 0 {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{sign}{digits}{:0<zeros$}", "");
        }
        let fraction = usize::try_from(-self.exponent).unwrap_or(0);
        if fraction >= digits.len() {
            return write!(f, "{sign}0.{digits:0>fraction$}");
        }
        let (whole, rest) = digits.split_at(digits.len() - fraction);
        write!(f, "{sign}{whole}.{rest}")
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let signum = |number: &Self| match (number.coefficient, number.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let by_sign = signum(self).cmp(&signum(other));
        if by_sign != Ordering::Equal || self.coefficient == 0 {
            return by_sign;
        }
        let align =
            |number: &Self| number.coefficient * 10_u128.pow(DIGITS_MAX - digit_count(number.coefficient));
        let by_size = self.magnitude().cmp(&other.magnitude()).then_with(|| align(self).cmp(&align(other)));
        if self.negative { by_size.reverse() } else { by_size }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn equal_numbers_have_one_form() {
        for (text, canonical) in [
            ("1", "1"),
            ("+001.500", "1.5"),
            ("-0", "0"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1E-3", "0.001"),
            ("120e-1", "12"),
            ("-12.340", "-12.34"),
            ("0e999999", "0"),
        ] {
            assert_eq!(number(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in [
            "", "a", "1a", "--1", "1..2", "e1", "1e", "1e+", ".", "-", " 1", "1 ", "NaN", "Infinity", "0x1",
            "١",
        ] {
            assert!(matches!(Number::parse(text), Err(NumberError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn thirty_eight_digits_fit_and_thirty_nine_are_refused() {
        let most = "9".repeat(38);
        assert_eq!(number(&most).to_string(), most);
        assert_eq!(Number::parse(&"9".repeat(39)), Err(NumberError::TooPrecise));
        assert_eq!(Number::parse(&format!("1{}1", "0".repeat(37))), Err(NumberError::TooPrecise));
        assert_eq!(Number::parse(&format!("1.{}1", "0".repeat(60))), Err(NumberError::TooPrecise));
        assert!(Number::parse(&format!("1{}", "0".repeat(100))).is_ok());
    }

    #[test]
    fn magnitude_is_limited_on_both_sides() {
        assert!(Number::parse("9.9999999999999999999999999999999999999E+125").is_ok());
        assert_eq!(Number::parse("1E126"), Err(NumberError::Overflow));
        assert!(Number::parse("1E-130").is_ok());
        assert_eq!(Number::parse("-1E-131"), Err(NumberError::Underflow));
        assert_eq!(Number::parse("1e99999999999999999999"), Err(NumberError::Overflow));
    }

    #[test]
    fn arithmetic_is_exact_or_refused() {
        assert_eq!(number("0.1").plus(number("0.2")).unwrap(), number("0.3"));
        assert_eq!(number("1").minus(number("1")).unwrap(), Number::ZERO);
        assert_eq!(number("5").minus(number("7.5")).unwrap(), number("-2.5"));
        assert_eq!(number("1e50").plus(number("1")), Err(NumberError::TooPrecise));
        assert_eq!(number(&"9".repeat(38)).plus(number("1")).unwrap(), number("1e38"));
        assert_eq!(number("9e125").plus(number("9e125")), Err(NumberError::Overflow));
    }

    #[test]
    fn malformed_ordered_bytes_are_refused() {
        for bytes in [&[][..], &[3], &[2], &[2, 0], &[2, 10, 1, 0], &[2, 10, 101, 0], &[2, 10, 5]] {
            assert_eq!(Number::read_ordered(&mut &*bytes), None, "{bytes:?}");
        }
    }

    fn numbers() -> impl Strategy<Value = Number> {
        (any::<bool>(), 0_u128..10_u128.pow(38), -130_i64..60, 0_u32..38).prop_map(
            |(negative, coefficient, exponent, drop)| {
                let coefficient = coefficient / 10_u128.pow(drop);
                Number::build(negative, coefficient, exponent).unwrap_or(Number::ZERO)
            },
        )
    }

    proptest! {
        #[test]
        fn byte_order_is_numeric_order(a in numbers(), b in numbers()) {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            a.write_ordered(&mut left);
            b.write_ordered(&mut right);
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
        }

        #[test]
        fn ordered_bytes_and_text_round_trip(a in numbers()) {
            let mut bytes = Vec::new();
            a.write_ordered(&mut bytes);
            bytes.extend_from_slice(b"tail");
            let mut rest = bytes.as_slice();
            prop_assert_eq!(Number::read_ordered(&mut rest), Some(a));
            prop_assert_eq!(rest, b"tail");
            prop_assert_eq!(Number::parse(&a.to_string()), Ok(a));
        }

        #[test]
        fn order_agrees_with_subtraction(a in numbers(), b in numbers()) {
            if let Ok(difference) = a.minus(b) {
                prop_assert_eq!(difference.cmp(&Number::ZERO), a.cmp(&b));
            }
        }

        #[test]
        fn parse_never_panics(text in "[-+0-9.eE]{0,60}") {
            let _ = Number::parse(&text);
        }
    }
}
