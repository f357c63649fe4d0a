//! Passwords of users: the account's policy for them, and what is kept of one. Knows no users. Deriving and comparing
//! cost tens of milliseconds each: run them through `env.heavy`.

use argon2::{Algorithm, Argon2, Params, Version};
use casemate_names::{Entropy, Secret};
use serde::{Deserialize, Serialize};

use crate::api::Error;

/// Argon2id memory in KiB, passes and lanes: OWASP's first recommendation (19 MiB, t=2, p=1).
const ARGON2_COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Bytes of an Argon2id hash.
const HASH_BYTES: usize = 32;

/// Bytes of a salt.
const SALT_BYTES: usize = 16;

/// Symbols that count as such.
// AWS: IAM API reference, UpdateAccountPasswordPolicy, `RequireSymbols`.
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// Characters when the account has no policy of its own, and kinds of characters of the four there are.
// AWS: IAM User Guide, "Default password policy".
const DEFAULT_MINIMUM: (i32, usize) = (8, 3);

/// Characters unless a policy says otherwise.
// AWS: IAM API reference, UpdateAccountPasswordPolicy, `MinimumPasswordLength`.
pub(crate) const MINIMUM_LENGTH: i32 = 6;

/// Days to seconds.
const DAY_S: i64 = 86_400;

/// An account's own policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the vendor's shape")]
pub(crate) struct PolicyRow {
    /// Characters.
    pub(crate) minimum_length: i32,
    pub(crate) symbols: bool,
    pub(crate) numbers: bool,
    pub(crate) uppercase: bool,
    pub(crate) lowercase: bool,
    pub(crate) users_may_change: bool,
    /// Days a password lives; zero: for ever.
    pub(crate) age_days_max: i32,
    /// How many earlier passwords must not be used again.
    pub(crate) remembered: i32,
    /// An expired password can be reset by an administrator only.
    pub(crate) hard_expiry: Option<bool>,
}

impl casemate_store::Row for PolicyRow {
    const TABLE: &'static str = "iam.password-policies";
    const VERSION: u16 = 1;
}

/// What is kept of a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    salt: Vec<u8>,
    hash: Secret<Vec<u8>>,
}

/// The salt of a new password, drawn before the heavy work starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Salt([u8; SALT_BYTES]);

impl Salt {
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        let mut salt = [0; SALT_BYTES];
        entropy.fill("iam.password-salt", &mut salt);
        Self(salt)
    }
}

impl Kept {
    /// Derives what is kept. Heavy. `None` only if Argon2 itself fails (out of memory).
    pub(crate) fn derive(password: &Secret<String>, salt: Salt) -> Option<Self> {
        let hash = argon2id(password, &salt.0)?;
        Some(Self { salt: salt.0.to_vec(), hash: Secret::new(hash) })
    }

    /// Is this the password? Heavy.
    pub(crate) fn matches(&self, password: &Secret<String>) -> bool {
        argon2id(password, &self.salt).is_some_and(|hash| self.hash.matches(&hash))
    }
}

/// Refuses a password that breaks the account's policy. The text does not say which rule.
pub(crate) fn check(policy: Option<&PolicyRow>, password: &Secret<String>) -> Result<(), Error> {
    let text = password.expose();
    let has = |wanted: fn(char) -> bool| text.chars().any(wanted);
    let (upper, lower) = (has(|c| c.is_ascii_uppercase()), has(|c| c.is_ascii_lowercase()));
    let (number, symbol) = (has(|c| c.is_ascii_digit()), has(|c| SYMBOLS.contains(c)));
    let length = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    let kinds = [upper, lower, number, symbol].into_iter().filter(|there| *there).count();
    let good = policy.map_or(length >= DEFAULT_MINIMUM.0 && kinds >= DEFAULT_MINIMUM.1, |policy| {
        length >= policy.minimum_length
            && (upper || !policy.uppercase)
            && (lower || !policy.lowercase)
            && (number || !policy.numbers)
            && (symbol || !policy.symbols)
    });
    if good { Ok(()) } else { Err(violation()) }
}

/// AWS's text of PasswordPolicyViolation.
pub(crate) fn violation() -> Error {
    Error::password_policy_violation_exception("Password does not conform to the account password policy.")
}

impl PolicyRow {
    /// Seconds a password lives; `None`: for ever.
    pub(crate) fn lifetime_s(&self) -> Option<i64> {
        (self.age_days_max > 0).then(|| i64::from(self.age_days_max).saturating_mul(DAY_S))
    }
}

fn argon2id(password: &Secret<String>, salt: &[u8]) -> Option<Vec<u8>> {
    let params = Params::new(ARGON2_COST.0, ARGON2_COST.1, ARGON2_COST.2, Some(HASH_BYTES)).ok()?;
    let mut out = vec![0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), salt, &mut out)
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use casemate_names::NamedEntropy;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn strict() -> PolicyRow {
        PolicyRow {
            minimum_length: 10,
            symbols: true,
            numbers: true,
            uppercase: true,
            lowercase: true,
            users_may_change: true,
            age_days_max: 0,
            remembered: 0,
            hard_expiry: None,
        }
    }

    #[test]
    fn each_rule_of_a_policy_refuses() {
        let policy = strict();
        assert!(check(Some(&policy), &secret("Abcdefgh1!")).is_ok());
        for password in ["Abcdefg1!", "abcdefgh1!", "ABCDEFGH1!", "Abcdefghi!", "Abcdefghi1", ""] {
            assert!(check(Some(&policy), &secret(password)).is_err(), "{password}");
        }
    }

    #[test]
    fn without_a_policy_three_kinds_of_characters_are_needed() {
        assert!(check(None, &secret("Abcdefg1")).is_ok());
        for password in ["abcdefg1", "Abcde1!", "ABCDEFGH"] {
            assert!(check(None, &secret(password)).is_err(), "{password}");
        }
    }

    #[test]
    fn only_the_password_itself_matches_and_none_is_shown() {
        let entropy = NamedEntropy::seeded(7);
        let kept = Kept::derive(&secret("Correct-Horse-1"), Salt::draw(&entropy)).unwrap();
        assert!(kept.matches(&secret("Correct-Horse-1")));
        assert!(!kept.matches(&secret("correct-horse-1")));
        assert!(!kept.matches(&secret("")));
        assert!(!format!("{kept:?}").contains("Correct"));
    }
}
