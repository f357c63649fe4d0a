//! Stand-ins for policies that AWS manages and that are not present here.
// DIVERGES: policies of the account `aws` do not exist. Those in this table become inline policies of the same name with the
// same permissions; any other is refused before anything is made.

/// A policy of AWS that can be stood in for.
#[derive(Debug)]
pub(crate) struct Managed {
    /// Its name.
    pub(crate) name: &'static str,
    actions: &'static [&'static str],
}

/// The known ones.
// AWS: AWSLambdaBasicExecutionRole version 1 and AWSLambdaDynamoDBExecutionRole version 1, as documented in the managed
// policy reference.
const KNOWN: &[Managed] = &[
    Managed {
        name: "AWSLambdaBasicExecutionRole",
        actions: &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    },
    Managed {
        name: "AWSLambdaDynamoDBExecutionRole",
        actions: &[
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    },
    Managed {
        name: "AmazonAPIGatewayPushToCloudWatchLogs",
        actions: &[
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            "logs:GetLogEvents",
            "logs:FilterLogEvents",
        ],
    },
];

/// Is this the ARN of a policy that AWS manages?
pub(crate) fn is_aws_managed(arn: &str) -> bool {
    arn.split(':').nth(4) == Some("aws")
}

/// The stand-in for a policy of AWS, by ARN or by name.
pub(crate) fn find(arn_or_name: &str) -> Option<&'static Managed> {
    let name = arn_or_name.rsplit('/').next().unwrap_or(arn_or_name);
    KNOWN.iter().find(|managed| managed.name == name)
}

impl Managed {
    /// Its document, on `resource`.
    pub(crate) fn document(&self, resource: &str) -> String {
        serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": self.actions, "Resource": resource}],
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_of_aws_are_known_by_arn_and_name() {
        let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        assert!(is_aws_managed(arn));
        assert_eq!(find(arn).unwrap().name, "AWSLambdaBasicExecutionRole");
        assert!(find("AdministratorAccess").is_none());
        assert!(!is_aws_managed("arn:aws:iam::123456789012:policy/mine"));
    }
}
