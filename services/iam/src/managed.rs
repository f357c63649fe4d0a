//! AWS-managed policies that templates and tools rely on. The names and the actions they list are facts of AWS; a policy
//! that is not here does not exist, so attaching it is refused rather than silently without effect.
// tidy: table

/// One of AWS's policies.
#[derive(Debug)]
pub(crate) struct Managed {
    /// With path, below `arn:aws:iam::aws:policy/`.
    pub(crate) name: &'static str,
    /// The document.
    pub(crate) document: &'static str,
}

const PREFIX: &str = "arn:aws:iam::aws:policy/";

/// Finds a policy by ARN.
pub(crate) fn find(arn: &str) -> Option<&'static Managed> {
    let name = arn.strip_prefix(PREFIX)?;
    ALL.iter().find(|managed| managed.name == name)
}

impl Managed {
    /// The policy's ARN.
    pub(crate) fn arn(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// `(path, name)`; the path begins and ends with a slash.
    pub(crate) fn path_and_name(&self) -> (String, &'static str) {
        match self.name.rsplit_once('/') {
            Some((path, name)) => (format!("/{path}/"), name),
            None => ("/".to_owned(), self.name),
        }
    }
}

macro_rules! allow {
    ($($action:literal),+ $(,)?) => {
        concat!(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["#, allow!(@list $($action),+), r#"],"Resource":"*"}]}"#)
    };
    (@list $first:literal $(, $rest:literal)*) => {
        concat!("\"", $first, "\"" $(, ",\"", $rest, "\"")*)
    };
}

// DIVERGES: of the broad ones only what concerns the service they are named after; AWS adds rights on its console's other
// services. Whoever needs those attaches a policy of their own.
/// Every policy, ordered by name.
pub(crate) const ALL: &[Managed] = &[
    Managed { name: "AWSCloudFormationFullAccess", document: allow!("cloudformation:*") },
    Managed {
        name: "AWSCloudFormationReadOnlyAccess",
        document: allow!(
            "cloudformation:Describe*",
            "cloudformation:EstimateTemplateCost",
            "cloudformation:Get*",
            "cloudformation:List*",
            "cloudformation:ValidateTemplate",
            "cloudformation:Detect*"
        ),
    },
    Managed {
        name: "AWSDenyAll",
        document: r#"{"Version":"2012-10-17","Statement":[{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}]}"#,
    },
    Managed {
        name: "AWSLambdaInvocation-DynamoDB",
        document: allow!(
            "lambda:InvokeFunction",
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        ),
    },
    Managed {
        name: "AWSLambda_FullAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","lambda:*","logs:DescribeLogGroups"],"Resource":"*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}},{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}]}"#,
    },
    Managed {
        name: "AWSLambda_ReadOnlyAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStacks","cloudformation:ListStackResources","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","lambda:Get*","lambda:List*","logs:DescribeLogGroups"],"Resource":"*"},{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}]}"#,
    },
    Managed {
        name: "AWSXRayDaemonWriteAccess",
        document: allow!(
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:GetSamplingStatisticSummaries"
        ),
    },
    Managed {
        name: "AWSXrayWriteOnlyAccess",
        document: allow!(
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:GetSamplingStatisticSummaries"
        ),
    },
    Managed { name: "AdministratorAccess", document: allow!("*") },
    Managed {
        name: "AmazonAPIGatewayAdministrator",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["apigateway:*"],"Resource":"arn:aws:apigateway:*::/*"}]}"#,
    },
    Managed {
        name: "AmazonAPIGatewayInvokeFullAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["execute-api:Invoke","execute-api:ManageConnections"],"Resource":"arn:aws:execute-api:*:*:*"}]}"#,
    },
    Managed {
        name: "AmazonCognitoPowerUser",
        document: allow!(
            "cognito-identity:*",
            "cognito-idp:*",
            "cognito-sync:*",
            "iam:ListRoles",
            "iam:ListOpenIdConnectProviders"
        ),
    },
    Managed {
        name: "AmazonCognitoReadOnly",
        document: allow!(
            "cognito-identity:Describe*",
            "cognito-identity:Get*",
            "cognito-identity:List*",
            "cognito-idp:Describe*",
            "cognito-idp:AdminGet*",
            "cognito-idp:AdminList*",
            "cognito-idp:List*",
            "cognito-idp:Get*",
            "iam:ListOpenIdConnectProviders",
            "iam:ListRoles",
        ),
    },
    Managed { name: "AmazonDynamoDBFullAccess", document: allow!("dynamodb:*", "dax:*") },
    Managed {
        name: "AmazonDynamoDBReadOnlyAccess",
        document: allow!(
            "dynamodb:BatchGetItem",
            "dynamodb:Describe*",
            "dynamodb:List*",
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:PartiQLSelect",
        ),
    },
    Managed { name: "AmazonS3FullAccess", document: allow!("s3:*", "s3-object-lambda:*") },
    Managed {
        name: "AmazonS3ReadOnlyAccess",
        document: allow!(
            "s3:Get*",
            "s3:List*",
            "s3:Describe*",
            "s3-object-lambda:Get*",
            "s3-object-lambda:List*"
        ),
    },
    Managed { name: "AmazonSNSFullAccess", document: allow!("sns:*") },
    Managed { name: "AmazonSQSFullAccess", document: allow!("sqs:*") },
    Managed { name: "CloudWatchLogsFullAccess", document: allow!("logs:*", "cloudwatch:GenerateQuery") },
    Managed {
        name: "CloudWatchLogsReadOnlyAccess",
        document: allow!(
            "logs:Describe*",
            "logs:Get*",
            "logs:List*",
            "logs:StartQuery",
            "logs:StopQuery",
            "logs:TestMetricFilter",
            "logs:FilterLogEvents",
        ),
    },
    Managed {
        name: "IAMFullAccess",
        document: allow!(
            "iam:*",
            "organizations:DescribeAccount",
            "organizations:DescribeOrganization",
            "organizations:DescribeOrganizationalUnit",
            "organizations:DescribePolicy",
            "organizations:ListChildren",
            "organizations:ListParents",
            "organizations:ListPoliciesForTarget",
            "organizations:ListRoots",
            "organizations:ListPolicies",
            "organizations:ListTargetsForPolicy",
        ),
    },
    Managed {
        name: "IAMReadOnlyAccess",
        document: allow!(
            "iam:GenerateCredentialReport",
            "iam:GenerateServiceLastAccessedDetails",
            "iam:Get*",
            "iam:List*",
            "iam:SimulateCustomPolicy",
            "iam:SimulatePrincipalPolicy",
        ),
    },
    Managed {
        name: "IAMUserChangePassword",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ChangePassword"],"Resource":["arn:aws:iam::*:user/${aws:username}"]},{"Effect":"Allow","Action":["iam:GetAccountPasswordPolicy"],"Resource":"*"}]}"#,
    },
    Managed {
        name: "PowerUserAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeEffectivePolicy","organizations:DescribeOrganization"],"Resource":"*"}]}"#,
    },
    Managed { name: "SecretsManagerReadWrite", document: allow!("secretsmanager:*") },
    Managed {
        name: "service-role/AWSLambdaBasicExecutionRole",
        document: allow!("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    },
    Managed {
        name: "service-role/AWSLambdaDynamoDBExecutionRole",
        document: allow!(
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ),
    },
    Managed { name: "service-role/AWSLambdaRole", document: allow!("lambda:InvokeFunction") },
    Managed {
        name: "service-role/AWSLambdaSQSQueueExecutionRole",
        document: allow!(
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ),
    },
    Managed {
        name: "service-role/AWSLambdaVPCAccessExecutionRole",
        document: allow!(
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ),
    },
    Managed {
        name: "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
        document: allow!(
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            "logs:GetLogEvents",
            "logs:FilterLogEvents",
        ),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use casemate_kernel::policy::{Kind, Policy};

    #[test]
    fn every_document_parses_and_names_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        for managed in ALL {
            assert!(Policy::parse(managed.document, Kind::Identity).is_ok(), "{}", managed.name);
            assert!(names.insert(managed.name));
            assert!(find(&managed.arn()).is_some());
        }
        assert!(find("arn:aws:iam::aws:policy/NoSuch").is_none());
    }
}
