//! CloudFormation's ARNs.

use casemate_names::{Arn, Scope};

/// A stack.
pub(crate) fn stack_arn(scope: &Scope, name: &str, unique: &str) -> Arn {
    Arn::regional(scope, "cloudformation", &format!("stack/{name}/{unique}"))
}

/// A change set.
pub(crate) fn change_set_arn(scope: &Scope, name: &str, unique: &str) -> Arn {
    Arn::regional(scope, "cloudformation", &format!("changeSet/{name}/{unique}"))
}

/// Uploaded code.
// DIVERGES: stands for the S3 object that code is uploaded to on AWS.
pub(crate) fn package_arn(scope: &Scope, sha256: &str) -> Arn {
    Arn::regional(scope, "cloudformation", &format!("package/{sha256}"))
}

/// The resource that a stack's name or ARN stands for at the gate.
// AWS: by name, `stack/NAME/*`.
pub(crate) fn asked_stack(scope: &Scope, name_or_arn: &str) -> Arn {
    match Arn::parse(name_or_arn) {
        Ok(arn) => arn,
        Err(_) => stack_arn(scope, name_or_arn, "*"),
    }
}

/// What an integration names as its credentials when the caller's own shall be used.
pub(crate) fn caller_credentials() -> String {
    "arn:aws:iam::*:user/*".to_owned()
}

/// A policy that AWS manages, by its path and name.
pub(crate) fn aws_managed_policy(path: &str) -> String {
    format!("arn:aws:iam::aws:policy{path}")
}

/// The name in a stack's ARN, if it is one.
pub(crate) fn stack_name(arn: &Arn) -> Option<&str> {
    (arn.service() == "cloudformation").then(|| arn.resource().split('/').nth(1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_are_told_apart() {
        let arn = Arn::parse("arn:aws:cloudformation:us-east-1:123456789012:stack/notes/1").unwrap();
        assert_eq!(stack_name(&arn), Some("notes"));
        let scope = Scope {
            partition: "aws".to_owned(),
            account: arn.account_id().unwrap(),
            region: casemate_names::Region::parse("us-east-1").unwrap(),
        };
        assert_eq!(asked_stack(&scope, arn.as_str()), arn);
        assert!(asked_stack(&scope, "notes").as_str().ends_with(":stack/notes/*"));
    }
}
