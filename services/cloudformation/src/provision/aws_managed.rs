//! The policies that AWS manages, by name: templates may name them, and those that are not present here are refused with
//! their line before anything is made.

use std::sync::LazyLock;

/// One line a policy; the first column is its path and name.
const TABLE: &str = include_str!("../../../../models/managed_policies.tsv");

static KNOWN: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| line.starts_with('/'));
    lines.filter_map(|line| line.split('\t').next()).collect()
});

/// Is this the ARN of a policy that AWS manages?
pub(crate) fn is_aws_managed(arn: &str) -> bool {
    arn.split(':').nth(4) == Some("aws")
}

/// The path and name of a policy of AWS, e.g. `/service-role/AWSLambdaRole`, by ARN or by name.
pub(crate) fn find(arn_or_name: &str) -> Option<&'static str> {
    let wanted = if is_aws_managed(arn_or_name) {
        arn_or_name.split_once(":policy").map_or("", |(_, path)| path)
    } else {
        arn_or_name
    };
    let is_path = wanted.starts_with('/');
    KNOWN
        .iter()
        .copied()
        .find(|known| if is_path { *known == wanted } else { known.rsplit('/').next() == Some(wanted) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_of_aws_are_known_by_arn_and_name() {
        let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        assert!(is_aws_managed(arn));
        assert_eq!(find(arn), Some("/service-role/AWSLambdaBasicExecutionRole"));
        assert_eq!(find("AWSLambdaBasicExecutionRole"), find(arn));
        assert_eq!(find("AdministratorAccess"), Some("/AdministratorAccess"));
        for unknown in [
            "NoSuchPolicy",
            "",
            "/",
            "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole",
            "arn:aws:iam::aws:x",
        ] {
            assert_eq!(find(unknown), None, "{unknown}");
        }
        assert!(!is_aws_managed("arn:aws:iam::123456789012:policy/mine"));
    }
}
