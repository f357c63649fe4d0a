//! AWS's own managed policies: a table taken mechanically from what AWS publishes (`models/refresh.py`). A policy that is
//! not in it does not exist, so attaching it is refused rather than silently without effect.
// DIVERGES: of AWS's managed policies those of the services here, of their neighbours and the broad ones; of each the
// version in force only.

use std::sync::LazyLock;

use casemate_names::Timestamp;

/// One line a policy: path and name, version, made, changed, document.
const TABLE: &str = include_str!("../../../models/managed_policies.tsv");

/// What stands before the path in the ARNs of AWS's policies.
const PREFIX: &str = "arn:aws:iam::aws:policy";

/// Policies below this path belong to service-linked roles.
const SERVICE_LINKED: &str = "/aws-service-role/";

/// One of AWS's policies.
#[derive(Debug)]
pub(crate) struct Managed {
    /// Begins and ends with a slash.
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    /// The number of the version in force.
    pub(crate) version: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) document: &'static str,
}

static ALL: LazyLock<Vec<Managed>> = LazyLock::new(|| TABLE.lines().filter_map(Managed::read).collect());

/// Every policy, ordered by name.
pub(crate) fn all() -> &'static [Managed] {
    &ALL
}

/// Finds a policy by ARN.
pub(crate) fn find(arn: &str) -> Option<&'static Managed> {
    let (path, name) = split(arn.strip_prefix(PREFIX)?)?;
    all().iter().find(|managed| managed.name == name && managed.path == path)
}

/// Finds a policy by name.
pub(crate) fn named(name: &str) -> Option<&'static Managed> {
    all().iter().find(|managed| managed.name == name)
}

impl Managed {
    /// Reads a line of the table. The line that says where the table comes from is none.
    fn read(line: &'static str) -> Option<Self> {
        let mut parts = line.splitn(5, '\t');
        let (path, name) = split(parts.next()?)?;
        let version = parts.next()?.strip_prefix('v')?.parse().ok()?;
        let mut time = || parts.next()?.parse().ok().map(Timestamp::from_seconds);
        let (created_at, updated_at) = (time()?, time()?);
        Some(Self { path, name, version, created_at, updated_at, document: parts.next()? })
    }

    /// The policy's ARN.
    pub(crate) fn arn(&self) -> String {
        format!("{PREFIX}{}{}", self.path, self.name)
    }

    /// Does it belong to service-linked roles? Nobody but AWS attaches those.
    pub(crate) fn is_for_service_linked_roles(&self) -> bool {
        self.path == SERVICE_LINKED
    }
}

/// `/path/name` as `("/path/", "name")`.
fn split(text: &str) -> Option<(&str, &str)> {
    let (path, name) = text.split_at_checked(text.rfind('/')?.checked_add(1)?)?;
    (path.starts_with('/') && !name.is_empty()).then_some((path, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use casemate_kernel::policy::{Kind, Policy};

    #[test]
    fn every_line_is_read_parses_and_is_found_again() {
        assert_eq!(all().len(), TABLE.lines().filter(|line| !line.starts_with('#')).count());
        let mut names = std::collections::BTreeSet::new();
        for managed in all() {
            let parsed = Policy::parse(managed.document, Kind::Identity);
            assert!(parsed.is_ok(), "{}: {}", managed.name, parsed.unwrap_err());
            assert!(names.insert(managed.name));
            assert_eq!(find(&managed.arn()).unwrap().name, managed.name);
            assert!(managed.created_at <= managed.updated_at, "{}", managed.name);
        }
    }

    #[test]
    fn only_the_whole_arn_finds_a_policy() {
        assert!(find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").is_some());
        for arn in [
            "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole",
            "arn:aws:iam::aws:policy/NoSuch",
            "arn:aws:iam::aws:policy/",
            "arn:aws:iam::123456789012:policy/AdministratorAccess",
            "",
        ] {
            assert!(find(arn).is_none(), "{arn}");
        }
    }
}
