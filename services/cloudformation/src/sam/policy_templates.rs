//! SAM's policy templates: a name and a few parameters stand for a policy document.
// AWS: actions and resources of the SAM policy template list.
// tidy: table

use super::only;
use crate::template::{Node, TemplateError};

/// A policy template.
struct PolicyTemplate {
    name: &'static str,
    /// Its parameters, all required.
    parameters: &'static [&'static str],
    /// Pairs of actions and resources; a resource may name the parameters and pseudo parameters.
    statements: &'static [(&'static [&'static str], &'static [&'static str])],
}

const TABLE: &str = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableName}";
const INDEXES: &str =
    "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableName}/index/*";
const QUEUE: &str = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${QueueName}";
const BUCKET: &[&str] =
    &["arn:${AWS::Partition}:s3:::${BucketName}", "arn:${AWS::Partition}:s3:::${BucketName}/*"];

const TEMPLATES: &[PolicyTemplate] = &[
    PolicyTemplate {
        name: "AWSSecretsManagerGetSecretValuePolicy",
        parameters: &["SecretArn"],
        statements: &[(&["secretsmanager:GetSecretValue"], &["${SecretArn}"])],
    },
    PolicyTemplate {
        name: "CloudFormationDescribeStacksPolicy",
        parameters: &[],
        statements: &[(
            &["cloudformation:DescribeStacks"],
            &["arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/*"],
        )],
    },
    PolicyTemplate {
        name: "CloudWatchPutMetricPolicy",
        parameters: &[],
        statements: &[(&["cloudwatch:PutMetricData"], &["*"])],
    },
    PolicyTemplate {
        name: "DynamoDBCrudPolicy",
        parameters: &["TableName"],
        statements: &[(
            &[
                "dynamodb:GetItem",
                "dynamodb:DeleteItem",
                "dynamodb:PutItem",
                "dynamodb:Scan",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:BatchGetItem",
                "dynamodb:DescribeTable",
                "dynamodb:ConditionCheckItem",
            ],
            &[TABLE, INDEXES],
        )],
    },
    PolicyTemplate {
        name: "DynamoDBReadPolicy",
        parameters: &["TableName"],
        statements: &[(
            &[
                "dynamodb:GetItem",
                "dynamodb:Scan",
                "dynamodb:Query",
                "dynamodb:BatchGetItem",
                "dynamodb:DescribeTable",
            ],
            &[TABLE, INDEXES],
        )],
    },
    PolicyTemplate {
        name: "DynamoDBReconfigurePolicy",
        parameters: &["TableName"],
        statements: &[(&["dynamodb:UpdateTable"], &[TABLE])],
    },
    PolicyTemplate {
        name: "DynamoDBWritePolicy",
        parameters: &["TableName"],
        statements: &[(
            &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"],
            &[TABLE, INDEXES],
        )],
    },
    PolicyTemplate {
        name: "FilterLogEventsPolicy",
        parameters: &["LogGroupName"],
        statements: &[(
            &["logs:FilterLogEvents"],
            &[
                "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${LogGroupName}:log-stream:*",
            ],
        )],
    },
    PolicyTemplate {
        name: "KMSDecryptPolicy",
        parameters: &["KeyId"],
        statements: &[(
            &["kms:Decrypt"],
            &["arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/${KeyId}"],
        )],
    },
    PolicyTemplate {
        name: "LambdaInvokePolicy",
        parameters: &["FunctionName"],
        statements: &[(
            &["lambda:InvokeFunction"],
            &["arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${FunctionName}*"],
        )],
    },
    PolicyTemplate {
        name: "S3ReadPolicy",
        parameters: &["BucketName"],
        statements: &[(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:GetLifecycleConfiguration",
            ],
            BUCKET,
        )],
    },
    PolicyTemplate {
        name: "SNSPublishMessagePolicy",
        parameters: &["TopicName"],
        statements: &[(
            &["sns:Publish"],
            &["arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${TopicName}"],
        )],
    },
    PolicyTemplate {
        name: "SQSPollerPolicy",
        parameters: &["QueueName"],
        statements: &[(
            &[
                "sqs:ChangeMessageVisibility",
                "sqs:ChangeMessageVisibilityBatch",
                "sqs:DeleteMessage",
                "sqs:DeleteMessageBatch",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            &[QUEUE],
        )],
    },
    PolicyTemplate {
        name: "SQSSendMessagePolicy",
        parameters: &["QueueName"],
        statements: &[(&["sqs:SendMessage*"], &[QUEUE])],
    },
];

/// Is this the name of a policy template?
pub(super) fn is_template(name: &str) -> bool {
    TEMPLATES.iter().any(|template| template.name == name)
}

/// The policy document a template stands for.
pub(super) fn expand(name: &str, arguments: &Node) -> Result<Node, TemplateError> {
    let line = arguments.line;
    let template = TEMPLATES
        .iter()
        .find(|template| template.name == name)
        .ok_or_else(|| TemplateError::at(line, format!("there is no policy template {name}")))?;
    only(arguments, template.parameters, name)?;
    let missing = template.parameters.iter().find(|parameter| arguments.get(parameter).is_none());
    if let Some(parameter) = missing {
        return Err(TemplateError::at(line, format!("{name} needs the parameter {parameter}")));
    }
    let statements = template.statements.iter().map(|(actions, resources)| {
        let actions = actions.iter().map(|action| Node::text(line, *action)).collect();
        let resources = resources.iter().map(|resource| substituted(line, resource, arguments)).collect();
        Node::map(
            line,
            [
                ("Effect", Node::text(line, "Allow")),
                ("Action", Node::list(line, actions)),
                ("Resource", Node::list(line, resources)),
            ],
        )
    });
    Ok(document(line, statements.collect()))
}

/// A policy document of statements.
pub(super) fn document(line: u32, statements: Vec<Node>) -> Node {
    let version = Node::text(line, "2012-10-17");
    Node::map(line, [("Version", version), ("Statement", Node::list(line, statements))])
}

fn substituted(line: u32, resource: &str, arguments: &Node) -> Node {
    if !resource.contains("${") {
        return Node::text(line, resource);
    }
    let parts = vec![Node::text(line, resource), arguments.clone()];
    Node::map(line, [("Fn::Sub", Node::list(line, parts))])
}
