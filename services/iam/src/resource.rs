//! The ARNs of users, roles and policies.

use casemate_names::{Arn, Scope};

/// `arn:aws:iam::123456789012:user/path/name`; `path` begins and ends with a slash.
pub(crate) fn entity_arn(scope: &Scope, noun: &str, path: &str, name: &str) -> Arn {
    Arn::global(scope, "iam", &format!("{noun}{path}{name}"))
}

/// `arn:aws:iam::123456789012:root`
pub(crate) fn root_arn(scope: &Scope) -> Arn {
    Arn::global(scope, "iam", "root")
}

/// The path and name of an ARN's resource of the given noun: `("/path/", "name")`.
pub(crate) fn path_and_name<'a>(arn: &'a Arn, noun: &str) -> Option<(&'a str, &'a str)> {
    if arn.service() != "iam" || !arn.region().is_empty() {
        return None;
    }
    let rest = arn.resource().strip_prefix(noun)?;
    let at = rest.rfind('/')?;
    let (path, name) = rest.split_at_checked(at.checked_add(1)?)?;
    (path.starts_with('/') && !name.is_empty()).then_some((path, name))
}

/// What follows the noun and a slash in an ARN's resource; `None` if it is of another noun.
pub(crate) fn under<'a>(arn: &'a Arn, noun: &str) -> Option<&'a str> {
    if arn.service() != "iam" || !arn.region().is_empty() {
        return None;
    }
    arn.resource().strip_prefix(noun)?.strip_prefix('/').filter(|tail| !tail.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_belong_to_the_arn() {
        let arn = Arn::parse("arn:aws:iam::123456789012:role/a/b/worker").unwrap();
        assert_eq!(path_and_name(&arn, "role"), Some(("/a/b/", "worker")));
        assert_eq!(path_and_name(&arn, "user"), None);
        for text in
            ["arn:aws:iam::123456789012:role/", "arn:aws:s3:::role/x", "arn:aws:iam:us-east-1:1:role/x"]
        {
            assert_eq!(path_and_name(&Arn::parse(text).unwrap(), "role"), None, "{text}");
        }
    }
}
