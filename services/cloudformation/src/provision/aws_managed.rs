//! The policies that AWS manages, by name: templates may name them, and those that are not present here are refused with
//! their line before anything is made.

/// Is this the ARN of a policy that AWS manages?
pub(crate) fn is_aws_managed(arn: &str) -> bool {
    arn.split(':').nth(4) == Some("aws")
}

/// The path and name of a policy of AWS, e.g. `/service-role/AWSLambdaRole`, by ARN or by name.
pub(crate) fn find(arn_or_name: &str) -> Option<&'static str> {
    let found = match arn_or_name {
        arn if is_aws_managed(arn) => casemate_managed::find(arn),
        path if path.starts_with('/') => casemate_managed::at(path),
        name => casemate_managed::named(name),
    };
    found.map(|policy| policy.path_and_name)
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
