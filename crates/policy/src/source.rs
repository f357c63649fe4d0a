//! The text a policy was compiled from, and the condition keys it mentions. Refuses to know what either means.

use std::{collections::BTreeSet, sync::OnceLock};

use crate::{
    outline::context_keys,
    template::{Reading, Token, tokens},
};

/// A document as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    text: Box<str>,
    /// In lower case, in order; found when first asked for.
    keys: OnceLock<Vec<Box<str>>>,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into(), keys: OnceLock::new() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn keys(&self) -> &[Box<str>] {
        self.keys.get_or_init(|| {
            let found: BTreeSet<String> =
                context_keys(&self.text).iter().map(|key| key.to_ascii_lowercase()).collect();
            found.into_iter().map(String::into_boxed_str).collect()
        })
    }
}

/// The policy variables in a text, in lower case.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = String> {
    let reading = Reading { variables: true, wildcards: false };
    tokens(text, reading).into_iter().filter_map(|token| match token {
        Token::Variable { key, .. } => Some(key),
        Token::Star | Token::Any | Token::Text(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Policy};

    #[test]
    fn keys_of_conditions_and_variables_are_mentioned_once_each() {
        let text = r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:userid}/*",
             "Condition": {"StringEquals": {"aws:PrincipalTag/Team": "${aws:ResourceTag/Team}"}}},
            {"Effect": "Deny", "Action": "s3:*", "NotResource": "*",
             "Condition": {"Null": {"aws:principaltag/team": "true"}, "Bool": {"aws:SecureTransport": "false"}}}]}"#;
        let policy = Policy::parse(text, Kind::Identity).unwrap();
        let keys: Vec<&str> = policy.condition_keys().collect();
        assert_eq!(
            keys,
            ["aws:principaltag/team", "aws:resourcetag/team", "aws:securetransport", "aws:userid"]
        );
        assert_eq!(policy.source(), text);
    }

    #[test]
    fn an_old_document_has_no_variables() {
        let text = r#"{"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Principal": "*",
            "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:userid}/*"}}"#;
        assert_eq!(Policy::parse(text, Kind::Resource).unwrap().condition_keys().count(), 0);
    }
}
