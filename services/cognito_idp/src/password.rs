//! Passwords: the pool's policy in AWS's words, and the credential kept of one (Argon2id hash, SRP salt and verifier).
//! Knows no users and no flows. Deriving and comparing cost tens of milliseconds: run them through `env.heavy`.

use argon2::{Algorithm, Argon2, Params, Version};
use casemate_names::{Entropy, Secret};
use serde::{Deserialize, Serialize};

use crate::{refusal::Refusal, srp};

/// Argon2id memory in KiB, passes and lanes: OWASP's first recommendation (19 MiB, t=2, p=1).
const ARGON2_COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Bytes of an Argon2id hash.
const HASH_BYTES: usize = 32;

/// AWS: the symbols that count, as documented.
const SYMBOLS: &str = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+- ";

/// AWS: characters of a password at most (`PasswordType`).
pub const CHARS_MAX: usize = 256;

/// Days a temporary password lives when the pool does not say.
pub const TEMPORARY_DAYS_DEFAULT: u32 = 7;

/// Which passwords a pool accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the vendor's shape")]
pub struct Policy {
    /// Characters, 6 to 99.
    pub minimum_length: u32,
    /// An upper-case letter is needed.
    pub require_uppercase: bool,
    /// A lower-case letter is needed.
    pub require_lowercase: bool,
    /// A digit is needed.
    pub require_numbers: bool,
    /// A symbol is needed.
    pub require_symbols: bool,
    /// How long a password set by an administrator for first use lives.
    pub temporary_validity_days: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            minimum_length: 8,
            require_uppercase: true,
            require_lowercase: true,
            require_numbers: true,
            require_symbols: true,
            temporary_validity_days: TEMPORARY_DAYS_DEFAULT,
        }
    }
}

impl Policy {
    /// Refuses a password that breaks the policy, naming the first rule it breaks.
    pub fn check(&self, password: &str) -> Result<(), Refusal> {
        let has = |wanted: fn(char) -> bool| password.chars().any(wanted);
        // The model says this of every password; those inside a flow's parameters are not held to the model.
        let edges = [password.chars().next(), password.chars().next_back()];
        if password.chars().count() > CHARS_MAX || edges.into_iter().flatten().any(char::is_whitespace) {
            return Err(Refusal::invalid_password(
                "Password did not conform with policy: Password must satisfy regular expression pattern: ^[\\S]+.*[\\S]+$ and have at most 256 characters",
            ));
        }
        // AWS: texts as clients show them.
        let broken = if password.chars().count() < self.minimum_length as usize {
            "Password not long enough"
        } else if self.require_lowercase && !has(|c| c.is_ascii_lowercase()) {
            "Password must have lowercase characters"
        } else if self.require_uppercase && !has(|c| c.is_ascii_uppercase()) {
            "Password must have uppercase characters"
        } else if self.require_numbers && !has(|c| c.is_ascii_digit()) {
            "Password must have numeric characters"
        } else if self.require_symbols && !has(|c| SYMBOLS.contains(c)) {
            "Password must have symbol characters"
        } else {
            return Ok(());
        };
        Err(Refusal::invalid_password(format!("Password did not conform with policy: {broken}")))
    }

    /// Makes a password that satisfies this policy whatever it asks.
    pub fn generate(&self, entropy: &dyn Entropy) -> Secret<String> {
        let length = (self.minimum_length as usize).max(12);
        let body = casemate_names::alphanumeric(entropy, "cognito.temporary_password", length);
        Secret::new(format!("{body}aA1!"))
    }
}

/// What is kept of a password. The verifier is only a salted SHA-256 to a thief, so the row that holds it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    hash_salt: Vec<u8>,
    hash: Secret<Vec<u8>>,
    /// SRP salt, first byte non-zero.
    pub srp_salt: Vec<u8>,
    /// SRP verifier.
    pub srp_verifier: Secret<Vec<u8>>,
}

/// The two salts of a new credential, drawn before the heavy work starts.
#[derive(Debug, Clone, Copy)]
pub struct Salts([u8; 16], [u8; srp::SALT_BYTES]);

impl Salts {
    /// Draws fresh ones.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let (mut hash, mut proof) = ([0; 16], [0; srp::SALT_BYTES]);
        entropy.fill("cognito.password_salt", &mut hash);
        entropy.fill("cognito.srp_salt", &mut proof);
        Self(hash, srp::salt(proof))
    }
}

impl Credential {
    /// Derives both forms. Heavy. `None` only if Argon2 itself fails (out of memory).
    pub fn derive(pool_name: &str, user: &str, password: &str, salts: Salts) -> Option<Self> {
        Some(Self {
            hash_salt: salts.0.to_vec(),
            hash: Secret::new(argon2id(password, &salts.0)?),
            srp_salt: salts.1.to_vec(),
            srp_verifier: srp::verifier(pool_name, user, password, &salts.1),
        })
    }

    /// Is this the password? Heavy.
    pub fn matches(&self, password: &str) -> bool {
        argon2id(password, &self.hash_salt).is_some_and(|hash| self.hash.matches(&hash))
    }

    /// The work of [`Self::matches`] for a user who does not exist or has no password. Heavy, and false: no salt gives the hash zero.
    pub fn match_nobody(password: &str) -> bool {
        let hash = argon2id(password, b"nobody's salt...").unwrap_or_default();
        Secret::new(vec![0_u8; HASH_BYTES]).matches(&hash)
    }
}

fn argon2id(password: &str, salt: &[u8]) -> Option<Vec<u8>> {
    let params = Params::new(ARGON2_COST.0, ARGON2_COST.1, ARGON2_COST.2, Some(HASH_BYTES)).ok()?;
    let mut out = vec![0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;

    #[test]
    fn each_broken_rule_is_named_in_the_vendors_words() {
        for (password, text) in [
            ("Ab1!", "Password not long enough"),
            ("ABCDEFG1!", "Password must have lowercase characters"),
            ("abcdefg1!", "Password must have uppercase characters"),
            ("Abcdefgh!", "Password must have numeric characters"),
            ("Abcdefgh1", "Password must have symbol characters"),
        ] {
            let refusal = Policy::default().check(password).unwrap_err();
            assert_eq!(refusal.text, format!("Password did not conform with policy: {text}"));
        }
        assert_eq!(Policy::default().check("Correct-Horse-1!"), Ok(()));
    }

    #[test]
    fn every_documented_symbol_counts() {
        for symbol in SYMBOLS.chars() {
            assert_eq!(Policy::default().check(&format!("Abcd{symbol}efg1")), Ok(()), "{symbol}");
        }
        assert!(Policy::default().check("Abcdefg1é").is_err());
    }

    #[test]
    fn endless_passwords_and_blanks_at_the_edges_are_refused() {
        for password in [format!("Aa1!{}", "x".repeat(CHARS_MAX)), " Abcdefg1!".into(), "Abcdefg1! ".into()] {
            assert!(Policy::default().check(&password).is_err());
        }
        assert_eq!(Policy::default().check(&format!("Aa1!{}", "x".repeat(CHARS_MAX - 4))), Ok(()));
    }

    #[test]
    fn rules_that_are_off_are_not_asked_for() {
        let lax = Policy {
            minimum_length: 6,
            require_uppercase: false,
            require_lowercase: false,
            require_numbers: false,
            require_symbols: false,
            temporary_validity_days: 7,
        };
        assert_eq!(lax.check("aaaaaa"), Ok(()));
        assert!(lax.check("aaaaa").is_err());
    }

    #[test]
    fn generated_passwords_satisfy_the_strictest_policy() {
        let strict = Policy { minimum_length: 99, ..Policy::default() };
        let password = strict.generate(&NamedEntropy::seeded(3));
        assert_eq!(strict.check(password.expose()), Ok(()));
    }

    #[test]
    fn only_the_right_password_matches_and_nobody_has_one() {
        let salts = Salts::draw(&NamedEntropy::seeded(1));
        let credential = Credential::derive("pool", "alice", "Correct-Horse-1!", salts).unwrap();
        assert!(credential.matches("Correct-Horse-1!"));
        assert!(!credential.matches("Correct-Horse-1?"));
        assert!(!credential.matches(""));
        assert!(!Credential::match_nobody("Correct-Horse-1!"));
    }

    #[test]
    fn debug_shows_neither_hash_nor_verifier() {
        let salts = Salts::draw(&NamedEntropy::seeded(1));
        let shown = format!("{:?}", Credential::derive("pool", "alice", "Correct-Horse-1!", salts).unwrap());
        assert!(shown.contains("hash: Secret(..)") && shown.contains("srp_verifier: Secret(..)"));
    }
}
