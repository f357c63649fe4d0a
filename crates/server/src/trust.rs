//! The trust map: which service may invoke which operation of another. What is not listed here is refused by the
//! kernel, whatever the policies say. Being listed grants nothing by itself: the call still meets the gate.

use casemate_kernel::TrustEdge;

/// Every edge between services.
pub const TRUST: &[TrustEdge] = &[
    edge("apigateway", "lambda", "Invoke"),
    edge("lambda", "lambda", "Invoke"),
    // Ends of asynchronous requests. The services are not here yet; until then these calls fail, and that is recorded.
    edge("lambda", "sqs", "SendMessage"),
    edge("lambda", "sns", "Publish"),
    edge("lambda", "events", "PutEvents"),
    edge("lambda", "s3", "PutObject"),
    edge("lambda", "kms", "CreateGrant"),
    edge("lambda", "kms", "Decrypt"),
    edge("lambda", "kms", "Encrypt"),
    edge("lambda", "kms", "RetireGrant"),
    edge("lambda", "kms", "RevokeGrant"),
    edge("lambda", "logs", "CreateLogGroup"),
    edge("lambda", "logs", "CreateLogStream"),
    edge("lambda", "logs", "PutLogEvents"),
    edge("organizations", "iam", "CreateRole"),
    edge("organizations", "iam", "PutRolePolicy"),
    edge("cloudformation", "apigateway", "*"),
    edge("cloudformation", "cognito-idp", "*"),
    edge("cloudformation", "dynamodb", "*"),
    edge("cloudformation", "iam", "*"),
    edge("cloudformation", "kms", "*"),
    edge("cloudformation", "lambda", "*"),
    edge("cloudformation", "logs", "*"),
    edge("cloudformation", "organizations", "*"),
];

const fn edge(from: &'static str, to: &'static str, operation: &'static str) -> TrustEdge {
    TrustEdge { from, to, operation }
}
