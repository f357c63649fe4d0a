//! The ARNs of user pools. The one place where they are made.

use casemate_names::{Arn, Scope};

/// The service part of the ARNs.
pub const SERVICE: &str = "cognito-idp";

/// `arn:aws:cognito-idp:<region>:<account>:userpool/<pool id>`
pub fn pool_arn(scope: &Scope, pool: &str) -> Arn {
    Arn::regional(scope, SERVICE, &format!("userpool/{pool}"))
}

/// The pool id in such an ARN.
pub fn pool_of(arn: &Arn) -> Option<&str> {
    arn.resource().strip_prefix("userpool/").filter(|_| arn.service() == SERVICE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pool_arns_name_a_pool() {
        let arn = |text| Arn::parse(text).unwrap();
        assert_eq!(
            pool_of(&arn("arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_x")),
            Some("us-east-1_x")
        );
        assert_eq!(
            pool_of(&arn("arn:aws:cognito-identity:us-east-1:123456789012:userpool/us-east-1_x")),
            None
        );
        assert_eq!(pool_of(&arn("arn:aws:cognito-idp:us-east-1:123456789012:other/us-east-1_x")), None);
    }
}
