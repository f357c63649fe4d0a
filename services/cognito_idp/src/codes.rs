//! Confirmation codes and the hourly limits on asking for them and guessing them. Pure; told the time.
//!
//! ```text
//!   (none) ── request ──▶ pending ── right answer ──▶ (none): used
//!                          │  ▲ │
//!                 wrong    │  │ │ expires_at, or WRONG_MAX wrong answers
//!                          └──┘ ▼
//!                            dead: only a new request helps
//! ```

use casemate_names::{Entropy, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// AWS: sign-up and attribute codes live 24 hours, password codes one.
pub const SIGN_UP_LIFE_S: i64 = 24 * 3600;
/// See [`SIGN_UP_LIFE_S`].
pub const PASSWORD_LIFE_S: i64 = 3600;

/// Wrong answers after which a code is dead. Ours: AWS relies on its hourly limits alone, which over 24 hours leave 360
/// guesses.
// DIVERGES: a code dies after 15 wrong answers, whatever the hour.
pub const WRONG_MAX: u32 = 15;

/// AWS: attempts per user and hour, from the table of resource quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// ForgotPassword and ConfirmForgotPassword together: 5 to 20 by risk at AWS; ours is fixed.
    PasswordReset,
    /// ResendConfirmationCode
    Resend,
    /// ConfirmSignUp
    ConfirmSignUp,
    /// ChangePassword
    ChangePassword,
    /// GetUserAttributeVerificationCode
    AttributeCode,
    /// VerifyUserAttribute
    VerifyAttribute,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::PasswordReset,
        Self::Resend,
        Self::ConfirmSignUp,
        Self::ChangePassword,
        Self::AttributeCode,
        Self::VerifyAttribute,
    ];

    /// How many in an hour.
    pub fn per_hour(self) -> usize {
        match self {
            Self::PasswordReset => 10,
            Self::Resend | Self::ChangePassword | Self::AttributeCode => 5,
            Self::ConfirmSignUp | Self::VerifyAttribute => 15,
        }
    }

    /// The name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password-reset",
            Self::Resend => "resend",
            Self::ConfirmSignUp => "confirm-sign-up",
            Self::ChangePassword => "change-password",
            Self::AttributeCode => "attribute-code",
            Self::VerifyAttribute => "verify-attribute",
        }
    }
}

const HOUR_MS: i64 = 3_600_000;

/// When one user did one limited thing within the last hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts(Vec<Timestamp>);

impl Attempts {
    /// Counts one more attempt, or refuses it when the hour is full (a refused one does not count).
    pub fn admit(mut self, limit: Limit, now: Timestamp) -> Result<Self, Refusal> {
        self.0.retain(|at| now - *at < HOUR_MS);
        if self.0.len() >= limit.per_hour() {
            // AWS: documented text.
            return Err(Refusal::limit_exceeded("Attempt limit exceeded, please try after some time."));
        }
        self.0.push(now);
        Ok(self)
    }

    /// Has the last attempt left the window?
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.0.iter().all(|at| now - *at >= HOUR_MS)
    }
}

/// A code that was sent to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    digits: Secret<String>,
    expires_at: Timestamp,
    wrong: u32,
    /// The attribute it was sent to and therefore proves: `email` or `phone_number`.
    pub attribute: String,
}

/// What an answer does to a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Right: forget the code.
    Right,
    /// Wrong: store the code as it is now and say this.
    Wrong(Code, Refusal),
}

impl Code {
    /// A fresh code of six random digits.
    pub fn draw(entropy: &dyn Entropy, attribute: &str, now: Timestamp, life_s: i64) -> Self {
        Self {
            digits: Secret::new(six_digits(entropy)),
            expires_at: now.plus_seconds(life_s),
            wrong: 0,
            attribute: attribute.to_owned(),
        }
    }

    /// The same code, sent to this attribute's address.
    #[must_use]
    pub fn sent_to(self, attribute: &str) -> Self {
        Self { attribute: attribute.to_owned(), ..self }
    }

    /// The digits, for the message to their owner.
    pub fn digits(&self) -> &Secret<String> {
        &self.digits
    }

    /// Has its time passed?
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// When its time passes.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Judges an answer.
    pub fn judge(self, sent: &str, now: Timestamp) -> Verdict {
        if self.is_expired(now) || self.wrong >= WRONG_MAX {
            return Verdict::Wrong(self, expired());
        }
        if self.digits.matches(sent.as_bytes()) {
            return Verdict::Right;
        }
        let wrong = self.wrong + 1;
        Verdict::Wrong(Self { wrong, ..self }, mismatch())
    }
}

/// The answer to a wrong code.
pub fn mismatch() -> Refusal {
    // AWS: recorded.
    Refusal::code_mismatch("Invalid verification code provided, please try again.")
}

/// The answer to a code that is too old, or was never asked for.
pub fn expired() -> Refusal {
    // AWS: as clients show it.
    Refusal::expired_code("Invalid code provided, please request a code again.")
}

/// Uniform: draws beyond the largest multiple of a million are thrown away.
fn six_digits(entropy: &dyn Entropy) -> String {
    const SPACE: u32 = 1_000_000;
    loop {
        let mut bytes = [0; 4];
        entropy.fill("cognito.code", &mut bytes);
        let number = u32::from_be_bytes(bytes);
        if number < u32::MAX - u32::MAX % SPACE {
            return format!("{:06}", number % SPACE);
        }
    }
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;
    use crate::refusal::Kind;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn code() -> Code {
        Code::draw(&NamedEntropy::seeded(1), "email", NOW, 3600)
    }

    fn kind(verdict: Verdict) -> Kind {
        match verdict {
            Verdict::Wrong(_, refusal) => refusal.kind,
            Verdict::Right => panic!("accepted"),
        }
    }

    #[test]
    fn the_right_code_is_accepted_until_it_expires() {
        let right = code().digits().expose().clone();
        assert_eq!(right.len(), 6);
        assert_eq!(code().judge(&right, NOW.plus_seconds(3599)), Verdict::Right);
        assert_eq!(kind(code().judge(&right, NOW.plus_seconds(3600))), Kind::ExpiredCode);
    }

    #[test]
    fn wrong_empty_and_padded_codes_are_refused() {
        let right = code().digits().expose().clone();
        for sent in [String::new(), format!("{right} "), format!("0{right}"), right.chars().take(5).collect()]
        {
            assert_eq!(kind(code().judge(&sent, NOW)), Kind::CodeMismatch);
        }
    }

    #[test]
    fn a_code_dies_after_too_many_wrong_answers_even_for_the_right_one() {
        let right = code().digits().expose().clone();
        let mut current = code();
        for _ in 0..WRONG_MAX {
            let Verdict::Wrong(next, refusal) = current.judge("x", NOW) else { panic!("accepted") };
            assert_eq!(refusal.kind, Kind::CodeMismatch);
            current = next;
        }
        assert_eq!(kind(current.judge(&right, NOW)), Kind::ExpiredCode);
    }

    #[test]
    fn an_hour_admits_only_its_limit_and_slides() {
        for limit in Limit::ALL {
            let mut attempts = Attempts::default();
            for index in 0..limit.per_hour() {
                attempts = attempts.admit(limit, NOW.plus_seconds(i64::try_from(index).unwrap())).unwrap();
            }
            let refusal = attempts.clone().admit(limit, NOW.plus_seconds(3599)).unwrap_err();
            assert_eq!(refusal.kind, Kind::LimitExceeded);
            assert!(
                attempts.clone().admit(limit, NOW.plus_seconds(3600)).is_ok(),
                "the first has left the window"
            );
            assert!(!attempts.is_stale(NOW.plus_seconds(3600)) || limit.per_hour() == 1);
        }
    }

    #[test]
    fn codes_are_not_shown_by_debug() {
        let code = code();
        assert!(!format!("{code:?}").contains(code.digits().expose()));
    }
}
