//! The encryption context: pairs that a ciphertext is bound to, that policies speak of and that grants are limited to.
//! Names and values are compared byte by byte. Knows no keys.

use std::collections::BTreeMap;

use casemate_kernel::{Ask, KeyValue};

use crate::api::Error;

/// Names and values, in the order of the names.
pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// Bytes of all names and values together.
// AWS: "the encryption context … can be up to 8 KB" (Developer Guide, "Encryption context").
const BYTES_MAX: usize = 8192;

/// The name of the condition key of one pair; the pair's name follows.
pub(crate) const PAIR_KEY: &str = "kms:EncryptionContext:";
/// The condition key of all names.
pub(crate) const NAMES_KEY: &str = "kms:EncryptionContextKeys";

/// Unambiguous bytes: every name and value with its length, in the order of the names. No context and an empty one are
/// the same.
pub(crate) fn canonical(context: Option<&EncryptionContext>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in context.into_iter().flatten().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// Refuses contexts that are too large.
pub(crate) fn check(context: Option<&EncryptionContext>) -> Result<(), Error> {
    let bytes: usize = context.into_iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > BYTES_MAX {
        return Err(Error::Validation(format!("the encryption context is longer than {BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Tells the policies of a context. Names that differ in case only make a key whose value is unknown: policies do not tell
/// them apart.
// AWS: without a context there are neither keys; `kms:EncryptionContextKeys` is multi-valued, each pair's key is not.
pub(crate) fn report(mut ask: Ask, context: Option<&EncryptionContext>) -> Result<Ask, Error> {
    // Before anything else: what is told is looked through for every condition.
    check(context)?;
    let Some(context) = context.filter(|context| !context.is_empty()) else { return Ok(ask) };
    let mut told: BTreeMap<String, (String, Option<KeyValue>)> = BTreeMap::new();
    for (name, value) in context {
        let value = Some(KeyValue::from(value.as_str()));
        let (_, said) = told
            .entry(name.to_ascii_lowercase())
            .or_insert_with(|| (format!("{PAIR_KEY}{name}"), value.clone()));
        if *said != value {
            *said = None;
        }
    }
    ask.keys.extend(told.into_values());
    Ok(ask.with(NAMES_KEY, context.keys().cloned().collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other_and_order_does_not_matter() {
        let of = |pairs: &[(&str, &str)]| canonical(Some(&context(pairs)));
        assert_eq!(of(&[("a", "1"), ("b", "2")]), of(&[("b", "2"), ("a", "1")]));
        assert_ne!(of(&[("a", "b")]), of(&[("b", "a")]));
        assert_ne!(of(&[("ab", "c")]), of(&[("a", "bc")]));
        assert_ne!(of(&[("a", "b"), ("c", "d")]), of(&[("a", "b")]));
        assert_ne!(of(&[("A", "b")]), of(&[("a", "b")]));
        assert_eq!(of(&[]), canonical(None));
    }

    #[test]
    fn a_context_beyond_eight_kilobytes_is_refused() {
        assert!(check(Some(&context(&[("a", &"x".repeat(BYTES_MAX - 1))]))).is_ok());
        assert!(check(Some(&context(&[("a", &"x".repeat(BYTES_MAX))]))).is_err());
        assert!(check(None).is_ok());
    }

    #[test]
    fn names_that_differ_in_case_are_unknown_to_policies() {
        let told =
            |pairs: &[(&str, &str)]| report(Ask::on_any("kms:Encrypt"), Some(&context(pairs))).unwrap();
        let ask = told(&[("Team", "a"), ("team", "b")]);
        let pair = ask.keys.iter().find(|(name, _)| name.eq_ignore_ascii_case("kms:encryptioncontext:team"));
        assert_eq!(pair.unwrap().1, None);
        assert!(told(&[]).keys.is_empty());
        assert!(
            report(Ask::on_any("kms:Encrypt"), Some(&context(&[("a", &"x".repeat(BYTES_MAX))]))).is_err()
        );
    }
}
