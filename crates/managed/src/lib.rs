//! AWS's own managed policies: a table taken mechanically from what AWS publishes (`models/refresh.py`). A policy that is
//! not in it does not exist, so attaching it is refused rather than silently without effect.
// DIVERGES: of each policy the version in force only; without `AWSSupportServiceRolePolicy`, which is longer than the engine
// reads.

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
#[non_exhaustive]
pub struct Managed {
    /// Path and name, e.g. `/service-role/AWSLambdaRole`.
    pub path_and_name: &'static str,
    /// Begins and ends with a slash.
    pub path: &'static str,
    /// Unique among them.
    pub name: &'static str,
    /// The number of the version in force.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this version was.
    pub updated_at: Timestamp,
    /// JSON.
    pub document: &'static str,
}

static ALL: LazyLock<Vec<Managed>> = LazyLock::new(|| TABLE.lines().filter_map(Managed::read).collect());

/// Every policy, ordered by name, byte by byte.
pub fn all() -> &'static [Managed] {
    &ALL
}

/// Finds a policy by ARN.
pub fn find(arn: &str) -> Option<&'static Managed> {
    at(arn.strip_prefix(PREFIX)?)
}

/// Finds a policy by path and name.
pub fn at(path_and_name: &str) -> Option<&'static Managed> {
    let (_, name) = split(path_and_name)?;
    named(name).filter(|managed| managed.path_and_name == path_and_name)
}

/// Finds a policy by name.
pub fn named(name: &str) -> Option<&'static Managed> {
    let at = all().binary_search_by(|managed| managed.name.cmp(name)).ok()?;
    all().get(at)
}

impl Managed {
    /// Reads a line of the table. The line that says where the table comes from is none.
    fn read(line: &'static str) -> Option<Self> {
        let mut parts = line.splitn(5, '\t');
        let path_and_name = parts.next()?;
        let (path, name) = split(path_and_name)?;
        let version = parts.next()?.strip_prefix('v')?.parse().ok()?;
        let mut time = || parts.next()?.parse().ok().map(Timestamp::from_seconds);
        let (created_at, updated_at) = (time()?, time()?);
        Some(Self { path_and_name, path, name, version, created_at, updated_at, document: parts.next()? })
    }

    /// The policy's ARN.
    pub fn arn(&self) -> String {
        format!("{PREFIX}{}", self.path_and_name)
    }

    /// Does it belong to service-linked roles? Nobody but AWS attaches those.
    pub fn is_for_service_linked_roles(&self) -> bool {
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
    use casemate_policy::{Kind, Policy};

    #[test]
    fn every_line_is_read_parses_and_is_found_again() {
        assert_eq!(all().len(), TABLE.lines().filter(|line| !line.starts_with('#')).count());
        let mut names = std::collections::BTreeSet::new();
        assert!(all().is_sorted_by(|one, next| one.name < next.name), "the names are searched in halves");
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
