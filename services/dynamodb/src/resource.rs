//! Its ARNs: tables and their indexes, named by clients as plain names or as ARNs.

use casemate_kernel::{Caller, Env};
use casemate_names::{Arn, Scope};

use crate::api::Error;

/// Shortest and longest name. Source: DynamoDB developer guide, "Naming rules".
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 3..=255;

/// A table as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableRef {
    /// Whose table.
    pub(crate) scope: Scope,
    /// Its name, or whatever was sent in its place: [`TableRef::checked`] tells.
    pub(crate) name: String,
}

impl TableRef {
    /// Reads `TableName`, which may be a name (of the caller's account) or an ARN (of any).
    pub(crate) fn parse(text: &str, env: &Env, caller: &Caller) -> Self {
        if let Some((scope, name)) = Arn::parse(text).ok().and_then(|arn| table_of(&arn)) {
            return Self { scope, name };
        }
        let scope = caller.account().map_or_else(|| env.site.scope.clone(), |account| env.scope_of(&account));
        Self { scope, name: text.to_owned() }
    }

    /// The table's ARN.
    pub(crate) fn arn(&self) -> Arn {
        Arn::regional(&self.scope, "dynamodb", &format!("table/{}", self.name))
    }

    /// The ARN of one of its indexes.
    pub(crate) fn index_arn(&self, index: &str) -> Arn {
        Arn::regional(&self.scope, "dynamodb", &format!("table/{}/index/{index}", self.name))
    }

    /// Refuses what is no table name.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        check_name(&self.name)?;
        Ok(self)
    }
}

/// Scope and name of the table an ARN names, or to which the index it names belongs.
pub(crate) fn table_of(arn: &Arn) -> Option<(Scope, String)> {
    if arn.service() != "dynamodb" {
        return None;
    }
    let name = arn.resource().strip_prefix("table/")?;
    let name = name.split('/').next()?;
    let region = casemate_names::Region::parse(arn.region()).ok()?;
    let scope = Scope { partition: arn.partition().to_owned(), account: arn.account_id()?, region };
    Some((scope, name.to_owned()))
}

/// The table that exactly is named by a `ResourceArn`; an index or stream of it is not.
pub(crate) fn tagged_table(text: &str) -> Option<TableRef> {
    let arn = Arn::parse(text).ok()?;
    let (scope, name) = table_of(&arn)?;
    (arn.resource() == format!("table/{name}")).then_some(TableRef { scope, name })
}

/// Refuses names of tables and indexes that break the rules.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if NAME_LENGTHS.contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    // AWS: text as the service words it, two spaces included.
    Err(Error::Validation(
        "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, \
         and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_tables_and_indexes_lead_to_the_table() {
        let arn = Arn::parse("arn:aws:dynamodb:us-east-1:123456789012:table/notes/index/by-owner").unwrap();
        let (scope, name) = table_of(&arn).unwrap();
        assert_eq!((scope.account.as_str(), name.as_str()), ("123456789012", "notes"));
        assert_eq!(tagged_table(arn.as_str()), None);
        let table = tagged_table("arn:aws:dynamodb:us-east-1:123456789012:table/notes").unwrap();
        assert_eq!(table.index_arn("by-owner"), arn);
    }

    #[test]
    fn other_arns_name_no_table() {
        for text in [
            "arn:aws:s3:::table/notes",
            "arn:aws:dynamodb:us-east-1:123456789012:global-table/notes",
            "arn:aws:dynamodb:us-east-1::table/notes",
            "arn:aws:dynamodb::123456789012:table/notes",
        ] {
            assert_eq!(table_of(&Arn::parse(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn names_with_slashes_wildcards_or_wrong_length_are_refused() {
        for name in ["", "ab", "a/b", "tab*", "ta ble", "tàble", &"x".repeat(256)] {
            assert!(matches!(check_name(name), Err(Error::Validation(_))), "{name}");
        }
        assert!(check_name("My_table-1.x").is_ok());
    }
}
