//! Whether a condition limits whom a statement is for, or only looks as if it did.
//!
//! A condition binds when it holds for some of the values that a stranger could bring and not for others: its operator is
//! positive, it does not hold where the key is missing, and none of its values is all that the key can be. What a template
//! has yet to fill in counts as a limit.

use casemate_policy::bounds_addresses;

use crate::{
    document::{Condition, Statement},
    glob::fits,
};

/// A policy that limits nobody, neither as a boundary nor as what may be attached.
const EVERYTHING: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Digits of an account.
const ACCOUNT_DIGITS: usize = 12;

/// What issuers write before the name of whose token it is, in `sub`.
// AWS: IAM User Guide, "Create a role for OpenID Connect federation", which wants the organisation's name there; GitHub
// Docs, "OpenID Connect reference"; GitLab Docs, "Configure OpenID Connect in AWS"; HCP Terraform, "Workload identity tokens".
const SUBJECT_LABELS: [&str; 5] = ["repo:", "repository_owner:", "project_path:", "organization:", "org/"];

impl Statement {
    /// Whether a condition binds the key: requests without it, and with most of its values, are kept out.
    pub(crate) fn requires(&self, key: &str) -> bool {
        self.conditions().into_iter().any(|condition| {
            condition.key.eq_ignore_ascii_case(key)
                && condition.is_positive()
                && (!condition.for_all() || self.insists_on(key))
                && condition.tells_apart()
        })
    }

    /// The conditions on these keys, to say of them that they do not bind: ` (StringNotEquals on aws:PrincipalOrgID …)`.
    pub(crate) fn idle(&self, keys: &[impl AsRef<str>]) -> String {
        let about = |condition: &Condition<'_>| {
            keys.iter().any(|key| condition.key.eq_ignore_ascii_case(key.as_ref()))
                && !self.requires(condition.key)
        };
        let named: Vec<String> = self
            .conditions()
            .into_iter()
            .filter(about)
            .map(|condition| format!("{} on {}", condition.operator, condition.key))
            .collect();
        if named.is_empty() { String::new() } else { format!(" ({} binds nobody)", named.join(", ")) }
    }
}

impl Condition<'_> {
    /// Whether it holds only for listed values, and not without one.
    fn is_positive(&self) -> bool {
        let plain = self.operator.rsplit(':').next().unwrap_or(self.operator);
        plain.eq_ignore_ascii_case(&self.comparison()) && !self.is_null() && !self.is_negated()
    }

    /// Whether each of the values keeps some requests out. One that does not makes up for all others.
    fn tells_apart(&self) -> bool {
        let key = self.key.to_ascii_lowercase();
        let comparison = self.comparison();
        self.texts().iter().all(|value| {
            if says_itself(&key, value) {
                return false;
            }
            match comparison.as_str() {
                "ipaddress" => bounds_addresses(value),
                // Of the keys that are asked for, `false` is what everybody has.
                "bool" => value.eq_ignore_ascii_case("true"),
                "stringequals" | "stringequalsignorecase" => !same_policy(&key, value),
                "stringlike" | "arnlike" | "arnequals" => pattern_tells_apart(&key, value),
                _ => true,
            }
        })
    }
}

/// Whether a value is a variable and nothing else, which the caller has chosen: the key itself, or a tag of its own.
fn says_itself(key: &str, value: &str) -> bool {
    let inside = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let variable = inside.and_then(|inside| inside.split(',').next()).unwrap_or_default().trim();
    let tag = variable.to_ascii_lowercase().starts_with("aws:principaltag/");
    variable.eq_ignore_ascii_case(key) || tag && !is_policy(key)
}

fn same_policy(key: &str, value: &str) -> bool {
    is_policy(key) && value.eq_ignore_ascii_case(EVERYTHING)
}

fn is_policy(key: &str) -> bool {
    matches!(key, "iam:policyarn" | "iam:permissionsboundary")
}

/// Whether a pattern leaves out values that the key can have for others than those who are meant.
fn pattern_tells_apart(key: &str, pattern: &str) -> bool {
    let start = literal_start(pattern);
    let begins_after = |prefixes: &[&str]| {
        let own = prefixes.iter().find_map(|prefix| start.strip_prefix(prefix)).unwrap_or(start);
        has_word(own)
    };
    match key {
        _ if is_policy(key) => !fits(pattern, EVERYTHING),
        "aws:principalarn" | "s3:dataaccesspointarn" => names_account(pattern),
        "aws:sourcearn" => names_account(pattern) || names_bucket(pattern),
        "aws:principalorgid"
        | "aws:principalorgpaths"
        | "aws:sourceorgid"
        | "aws:sourceorgpaths"
        | "aws:vpceorgid" => begins_after(&["o-"]),
        "aws:sourcevpc" | "aws:sourcevpce" => begins_after(&["vpc-", "vpce-"]),
        // `AROA…:session`: whoever assumes a role of their own chooses the session's name.
        "aws:userid" => has_word(start),
        _ if key.ends_with(":sub") => names_subject(pattern, start),
        _ => has_word(pattern),
    }
}

/// Whether a token's subject is of somebody: `repo:acme/*` is, `repo:*` and `repo:acme*` (also `acme-evil`) are not.
fn names_subject(pattern: &str, start: &str) -> bool {
    let label = SUBJECT_LABELS.iter().find(|label| start.starts_with(**label));
    match label.and_then(|label| start.strip_prefix(label)) {
        None => has_word(start),
        Some(own) => has_word(own) && (start.len() == pattern.len() || own.contains(['/', ':', '@'])),
    }
}

/// Whether an ARN's pattern is of certain accounts: names of resources can be had in any.
fn names_account(pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    match parts.as_slice() {
        _ if pattern.replace("${*}", "").replace("${?}", "").contains("${") => true,
        ["arn", _, _, _, "", name] => has_word(literal_start(name)),
        ["arn", _, _, _, account, _] => !account.is_empty() && !account.contains(['*', '?']),
        _ => {
            let digits = pattern.split(|c: char| !c.is_ascii_digit());
            digits.into_iter().any(|run| run.len() == ACCOUNT_DIGITS)
        }
    }
}

/// Whether an ARN's pattern is of certain buckets: their names are unique, and their ARNs have no account.
fn names_bucket(pattern: &str) -> bool {
    let bucket = match *pattern.splitn(6, ':').collect::<Vec<_>>() {
        ["arn", _, "s3", _, account, name] if !has_word(account) => name,
        _ => "",
    };
    has_word(literal_start(bucket))
}

/// What comes before the first wildcard.
fn literal_start(pattern: &str) -> &str {
    let wild = pattern.char_indices().find(|(at, c)| {
        matches!(c, '*' | '?') && !pattern.get(..*at).is_some_and(|before| before.ends_with("${"))
    });
    wild.and_then(|(at, _)| pattern.get(..at)).unwrap_or(pattern)
}

fn has_word(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::document::Document;

    /// Whether a condition with this operator and these values binds the key.
    fn binds(operator: &str, key: &str, values: &serde_json::Value) -> bool {
        let statement = json!({"Effect": "Allow", "Condition": {operator: {key: values}}});
        let document = Document::read(&json!({"Statement": statement}).to_string()).unwrap();
        document.statements[0].requires(key)
    }

    #[test]
    fn only_positive_operators_that_need_the_key_bind() {
        for operator in ["StringEquals", "stringlike", "ForAnyValue:StringEquals", "StringEqualsIgnoreCase"] {
            assert!(binds(operator, "aws:PrincipalOrgID", &json!("o-1")), "{operator}");
        }
        for operator in [
            "StringNotEquals",
            "StringNotLike",
            "StringEqualsIfExists",
            "ForAllValues:StringEquals",
            "ForAnyValue:StringNotEquals",
            "ForAnyValue:StringEqualsIfExists",
            "Null",
        ] {
            assert!(!binds(operator, "aws:PrincipalOrgID", &json!("o-1")), "{operator}");
        }
        assert!(!binds("NotIpAddress", "aws:SourceIp", &json!("10.0.0.0/8")));
    }

    #[test]
    fn for_all_values_binds_once_the_key_must_be_there() {
        let with = |absent: &str| {
            let statement = json!({"Effect": "Allow", "Condition": {
                "ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"},
                "Null": {"aws:PrincipalOrgPaths": absent},
            }});
            let document = Document::read(&json!({"Statement": statement}).to_string()).unwrap();
            document.statements[0].requires("aws:principalorgpaths")
        };
        assert!(with("false") && !with("true"));
    }

    #[test]
    fn values_that_anybody_can_have_do_not_bind() {
        let account = "111122223333";
        for (key, bound, free) in [
            ("aws:SourceAccount", account, "*"),
            ("aws:SourceAccount", account, "??*"),
            ("aws:PrincipalArn", "arn:aws:iam::111122223333:role/*", "arn:aws:iam::*:role/deploy"),
            ("aws:PrincipalArn", "*:111122223333:*", "arn:aws:iam::*"),
            ("aws:SourceArn", "arn:*:sns:*:111122223333:*", "arn:aws:sns:*:*:*"),
            ("aws:SourceArn", "arn:aws:s3:::bucket", "arn:aws:s3:::*"),
            ("aws:SourceArn", "arn:aws:s3:::logs-*", "arn:aws:s3:::*-logs"),
            ("aws:SourceArn", "arn:aws:s3:*:*:bucket", "arn:aws:sns:*:*:topic"),
            ("aws:SourceArn", "arn:aws:events:*:${aws:ResourceAccount}:rule/*", "arn:*"),
            ("aws:PrincipalOrgID", "o-abc*", "o-*"),
            ("aws:PrincipalOrgPaths", "o-abc/*", "*/r-abc/*"),
            ("aws:PrincipalOrgID", "${aws:ResourceOrgID}", "${aws:PrincipalOrgID}"),
            ("aws:SourceAccount", "${aws:ResourceAccount}", "${aws:PrincipalTag/account, 'none'}"),
            ("s3:DataAccessPointArn", "arn:aws:s3:*:111122223333:*", "arn:aws:s3:*:*:accesspoint/x"),
            ("aws:SourceVpce", "vpce-1*", "vpce-*"),
            ("aws:userid", "AROAEXAMPLE:*", "*:deploy"),
            ("idp.example.com:aud", "app-*", "*"),
            ("token.example.com:sub", "repo:acme/*", "repo:*"),
            ("token.example.com:sub", "repo:acme/app:ref:refs/heads/main", "repo:acme*"),
            ("token.example.com:sub", "system:serviceaccount:prod-*:app", "*:ref:refs/heads/main"),
            ("iam:PolicyARN", "arn:aws:iam::111122223333:policy/*", "arn:aws:iam::*:policy/*"),
            ("iam:PermissionsBoundary", "arn:aws:iam::aws:policy/ReadOnly*", "arn:aws:iam::aws:policy/*"),
        ] {
            assert!(binds("StringLike", key, &json!(bound)), "{key} {bound}");
            assert!(!binds("StringLike", key, &json!(free)), "{key} {free}");
            assert!(!binds("StringLike", key, &json!([bound, free])), "{key}: one of two lets everybody in");
        }
        assert!(!binds("ArnEquals", "iam:PolicyARN", &json!(super::EVERYTHING)));
        assert!(!binds("StringEquals", "iam:PolicyARN", &json!(super::EVERYTHING)));
    }

    #[test]
    fn of_two_truth_values_true_binds() {
        assert!(binds("Bool", "kms:GrantIsForAWSResource", &json!(true)));
        assert!(!binds("Bool", "kms:GrantIsForAWSResource", &json!("false")));
        assert!(!binds("Bool", "kms:GrantIsForAWSResource", &json!(["true", "false"])));
        assert!(!binds("BoolIfExists", "kms:GrantIsForAWSResource", &json!("true")));
    }

    #[test]
    fn networks_bind_while_they_are_no_half_of_the_world() {
        for (bound, free) in
            [("203.0.113.0/24", "0.0.0.0/0"), ("10.0.0.0/8", "0.0.0.0/1"), ("2001:db8::/32", "::/0")]
        {
            assert!(binds("IpAddress", "aws:SourceIp", &json!(bound)), "{bound}");
            assert!(!binds("IpAddress", "aws:SourceIp", &json!(free)), "{free}");
            assert!(!binds("IpAddress", "aws:SourceIp", &json!([bound, free])), "{free}");
        }
    }

    #[test]
    fn what_a_template_has_yet_to_fill_in_binds() {
        assert!(binds("StringEquals", "aws:SourceAccount", &json!({"Ref": "AWS::AccountId"})));
        assert!(!binds("StringLike", "aws:SourceAccount", &json!([{"Ref": "AWS::AccountId"}, "*"])));
    }
}
