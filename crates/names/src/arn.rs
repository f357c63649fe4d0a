//! Amazon Resource Names: parsed once into their six parts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Scope};

/// `arn:partition:service:region:account:resource`. The text is kept whole; the parts are offsets into it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    text: String,
    /// Byte offsets of the five colons that separate the parts.
    colons: [u16; 5],
}

/// The text is not an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidArn(());

impl Arn {
    /// At most this many bytes; AWS's longest documented ARN limit is 2,048.
    pub const LENGTH_MAX: usize = 2048;

    /// Parses the text of an ARN. The resource part may itself contain colons and must not be empty.
    pub fn parse(text: &str) -> Result<Self, InvalidArn> {
        if text.len() > Self::LENGTH_MAX || !text.starts_with("arn:") {
            return Err(InvalidArn(()));
        }
        let mut colons = [0_u16; 5];
        let mut found = text.bytes().enumerate().filter(|(_, byte)| *byte == b':');
        for slot in &mut colons {
            let (at, _) = found.next().ok_or(InvalidArn(()))?;
            *slot = u16::try_from(at).map_err(|_| InvalidArn(()))?;
        }
        let arn = Self { text: text.to_owned(), colons };
        if arn.partition().is_empty() || arn.service().is_empty() || arn.resource().is_empty() {
            return Err(InvalidArn(()));
        }
        Ok(arn)
    }

    /// Builds the ARN of a regional resource of `service` in `scope`.
    pub fn regional(scope: &Scope, service: &str, resource: &str) -> Self {
        Self::from_parts([&scope.partition, service, scope.region.as_str(), scope.account.as_str(), resource])
    }

    /// Builds the ARN of a global (region-less) resource of `service` in the account of `scope`.
    pub fn global(scope: &Scope, service: &str, resource: &str) -> Self {
        Self::from_parts([&scope.partition, service, "", scope.account.as_str(), resource])
    }

    /// Builds an ARN from partition, service, region, account and resource. The first four must contain no colon.
    pub fn from_parts(parts: [&str; 5]) -> Self {
        let mut text = String::from("arn");
        let mut colons = [0_u16; 5];
        for (part, slot) in parts.iter().zip(&mut colons) {
            *slot = u16::try_from(text.len()).unwrap_or(u16::MAX);
            text.push(':');
            text.push_str(part);
        }
        Self { text, colons }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `aws`, `aws-cn`, …
    pub fn partition(&self) -> &str {
        self.part(0)
    }

    /// The service prefix, e.g. `dynamodb`.
    pub fn service(&self) -> &str {
        self.part(1)
    }

    /// The region; empty for global resources.
    pub fn region(&self) -> &str {
        self.part(2)
    }

    /// The account as written; empty where the service's ARNs carry none.
    pub fn account(&self) -> &str {
        self.part(3)
    }

    /// The account, when there is a well-formed one.
    pub fn account_id(&self) -> Option<AccountId> {
        AccountId::parse(self.account()).ok()
    }

    /// Everything behind the fifth colon.
    pub fn resource(&self) -> &str {
        self.text.get(usize::from(self.colons[4]) + 1..).unwrap_or("")
    }

    fn part(&self, index: usize) -> &str {
        let start = self.colons.get(index).map_or(0, |at| usize::from(*at) + 1);
        let end = self.colons.get(index + 1).map_or(self.text.len(), |at| usize::from(*at));
        self.text.get(start..end).unwrap_or("")
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Arn {
    type Error = InvalidArn;

    fn try_from(text: String) -> Result<Self, InvalidArn> {
        Self::parse(&text)
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.text
    }
}

impl fmt::Display for InvalidArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an ARN: expected `arn:partition:service:region:account:resource`")
    }
}

impl std::error::Error for InvalidArn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_and_resource_keeps_its_colons() {
        let arn = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f:1").unwrap();
        assert_eq!(
            (arn.partition(), arn.service(), arn.region(), arn.account(), arn.resource()),
            ("aws", "lambda", "us-east-1", "123456789012", "function:f:1")
        );
        let built = Arn::from_parts(["aws", "lambda", "us-east-1", "123456789012", "function:f:1"]);
        assert_eq!(built, arn);
    }

    #[test]
    fn short_or_empty_text_is_refused() {
        for text in ["", "arn", "arn:aws:s3", "arn:aws:s3:::", "arn::s3:::x", "xrn:aws:s3:::x"] {
            assert!(Arn::parse(text).is_err(), "{text}");
        }
    }
}
