//! Values that the schemas do not say enough about: texts that must be ARNs, and members that are optional in the model
//! but without which an operation means nothing.

use casemate_names::Arn;
use casemate_schema::{Document, OpMeta};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";

fn global(service: &str, resource: &str) -> Document {
    Arn::from_parts(["aws", service, "", ACCOUNT, resource]).as_str().into()
}

fn regional(service: &str, resource: &str) -> Document {
    Arn::from_parts(["aws", service, REGION, ACCOUNT, resource]).as_str().into()
}

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}"#;

fn item() -> Document {
    Document::Map(vec![("id".to_owned(), Document::structure([("S", "1".into())]))])
}

/// See the module.
pub(crate) fn hints(op: &OpMeta, member: &str) -> Option<Document> {
    Some(match (op.service.prefix, op.name, member) {
        ("iam", _, "PolicyArn") => global("iam", "policy/Sample"),
        ("iam", _, "PermissionsBoundary") if op.name.starts_with("Put") => global("iam", "policy/Sample"),
        ("iam", "CreateRole", "AssumeRolePolicyDocument")
        | ("iam", "UpdateAssumeRolePolicy", "PolicyDocument") => TRUST.into(),
        ("iam", _, "PolicyDocument") | ("organizations", _, "Content") => POLICY.into(),
        ("iam", _, "PolicyInputList") => Document::List(vec![POLICY.into()]),
        ("iam", _, "PolicySourceArn") | ("iam", "ListPoliciesGrantingServiceAccess", "Arn") => {
            global("iam", "user/Sample")
        }
        ("iam", "CreateServiceLinkedRole", "AWSServiceName") => "autoscaling.amazonaws.com".into(),
        ("iam", "GetServiceLinkedRoleDeletionStatus", "DeletionTaskId") => {
            "task/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling/sample".into()
        }
        (
            "iam",
            "CreateLoginProfile"
            | "DeleteLoginProfile"
            | "GetLoginProfile"
            | "GetUser"
            | "CreateAccessKey"
            | "DeactivateMFADevice"
            | "DeleteAccessKey"
            | "GetMFADevice"
            | "ListAccessKeys"
            | "ListMFADevices"
            | "UpdateAccessKey",
            "UserName",
        ) => "UserName".into(),
        ("iam", _, "OpenIDConnectProviderArn") => global("iam", "oidc-provider/idp.example.com"),
        ("iam", _, "SAMLProviderArn") | ("sts", _, "PrincipalArn") => global("iam", "saml-provider/Sample"),
        ("sts", "AssumeRoot", "TargetPrincipal") => ACCOUNT.into(),
        ("sts", "AssumeRoot", "arn") => {
            "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials".into()
        }
        ("iam", _, "SerialNumber") => global("iam", "mfa/Sample"),
        ("sts", _, "RoleArn")
        | ("cloudformation", _, "RoleARN")
        | ("lambda", "CreateFunction" | "UpdateFunctionConfiguration", "Role") => {
            global("iam", "role/Sample")
        }
        ("apigateway", _, "resourceArn") => {
            Arn::from_parts(["aws", "apigateway", REGION, "", "/restapis/sample"]).as_str().into()
        }
        ("kms", _, "KeyId" | "TargetKeyId" | "SourceKeyId" | "DestinationKeyId") => {
            "01234567-89ab-4def-8123-456789abcdef".into()
        }
        ("kms", _, "AliasName") => "alias/sample".into(),
        ("kms", "RetireGrant", "GrantId") => "0123456789abcdef".into(),
        ("logs", "DescribeLogStreams" | "FilterLogEvents" | "GetLogEvents", "logGroupName") => {
            "logGroupName".into()
        }
        ("logs", _, "resourceArn") => regional("logs", "log-group:sample"),
        ("dynamodb", "BatchWriteItem", "PutRequest") => Document::structure([("Item", item())]),
        ("dynamodb", "TransactWriteItems", "Put") => {
            Document::structure([("TableName", "TableName".into()), ("Item", item())])
        }
        ("dynamodb", "Query", "KeyConditionExpression") => "id = :id".into(),
        ("dynamodb", "Query", "ExpressionAttributeValues") => {
            Document::Map(vec![(":id".to_owned(), Document::structure([("S", "1".into())]))])
        }
        ("organizations", _, "PolicyId") => "p-sample000".into(),
        ("cognito-idp", _, "ResourceArn") => regional("cognito-idp", "userpool/us-east-1_Sample000"),
        ("dynamodb", _, "ResourceArn") => regional("dynamodb", "table/Sample"),
        ("lambda", "CreateFunction", "Runtime") => "python3.13".into(),
        ("lambda", "CreateFunction", "Handler") => "index.handler".into(),
        ("lambda", _, "Resource") => regional("lambda", "function:Sample"),
        _ => return None,
    })
}
