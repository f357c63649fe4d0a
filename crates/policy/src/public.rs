//! Whether a resource policy opens a resource to the public, as object storage's block-public-access analysis means it: a
//! policy is public until every grant to everybody is tied to fixed values. Refuses to know which services ask.
// AWS: S3 User Guide, "Blocking public access", "The meaning of public".

use crate::{
    Effect, Policy, StatementInfo,
    condition::{Condition, Fixed},
    principal::{Named, Whom},
    scalar::Network,
};

/// Keys that tie a grant to somebody or to somewhere.
const KEYS: [&str; 10] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
];

/// The broadest ranges of addresses that still count as fixed, in bits of prefix.
const V4_PREFIX_MIN: u32 = 8;
const V6_PREFIX_MIN: u32 = 32;

/// Keys of a service of its own, in lower case, that tie a grant as the global ones do.
#[derive(Debug, Clone, Copy, Default)]
pub struct FixedKeys<'a> {
    /// Their values must be fixed.
    pub whole: &'a [&'a str],
    /// Their values are ARNs that may have wildcards after the account.
    pub account: &'a [&'a str],
}

/// The first statement that makes the policy public.
pub fn public_statement<'a>(policy: &'a Policy, keys: &FixedKeys<'_>) -> Option<StatementInfo<'a>> {
    policy.compiled().iter().find_map(|statement| {
        let everybody = match &statement.whom {
            Whom::Listed(listed) => listed.contains(&Named::Anyone),
            // Without a principal it says nothing to strangers; all but some is nearly everybody.
            Whom::Attached => false,
            Whom::AllBut(_) => true,
        };
        let tied = statement.conditions.iter().any(|condition| ties(condition, keys));
        (statement.effect == Effect::Allow && everybody && !tied).then(|| statement.info())
    })
}

fn ties(condition: &Condition, keys: &FixedKeys<'_>) -> bool {
    let fixed = |text: &str| !text.contains(['*', '?']);
    match condition.fixed() {
        Some((key, Fixed::Networks(networks))) => {
            key == "aws:sourceip" && networks.iter().flatten().all(is_narrow)
        }
        Some((key, Fixed::Texts(texts))) if KEYS.contains(&key) || keys.whole.contains(&key) => {
            key != "aws:sourceip" && texts.iter().all(|(text, whole)| *whole && fixed(text))
        }
        Some((key, Fixed::Texts(texts))) if keys.account.contains(&key) => {
            texts.iter().all(|(start, _)| start.bytes().filter(|byte| *byte == b':').count() >= 5)
        }
        Some(_) | None => false,
    }
}

/// Whether a range of addresses, as conditions write it, is narrow enough to be of somebody. What is no range is of nobody,
/// and matches nobody.
pub fn bounds_addresses(range: &str) -> bool {
    Network::parse(range).is_none_or(|network| is_narrow(&network))
}

fn is_narrow(network: &Network) -> bool {
    network.prefix() >= if network.is_v4() { V4_PREFIX_MIN } else { V6_PREFIX_MIN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_key_that_is_not_named_ties_nobody_whatever_its_value_looks_like() {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*",
            "Condition":{"StringLike":{"toys:Shelf":"arn:aws:toys:us-east-1:123456789012:shelf/*"}}}}"#;
        let policy = Policy::parse(text, Kind::Resource).unwrap();
        let with = |whole, account| public_statement(&policy, &FixedKeys { whole, account }).is_some();
        assert!(with(&[], &[]));
        assert!(with(&["toys:shelf"], &["toys:other"]));
        assert!(!with(&[], &["toys:shelf"]));
    }
}
