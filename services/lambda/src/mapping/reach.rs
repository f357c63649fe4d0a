//! Whether a function's execution role may read a mapping's source and tell its destination: judged by the policies,
//! nothing is called.
// AWS: creating and changing a mapping fails where the role lacks one of these (developer guide, "Execution role
// permissions" of each source).

use casemate_kernel::{Ask, Env};
use casemate_names::{Arn, Timestamp};

use super::{
    Mapping,
    source::{Kind, refused},
};
use crate::{api::Error, function::Function};

/// What the role must be allowed, and the service's name in a complaint.
struct Need {
    action: &'static str,
    on: Arn,
    service: &'static str,
}

/// Types of source access configurations that name a secret.
const SECRETS: [&str; 5] = [
    "BASIC_AUTH",
    "SASL_SCRAM_256_AUTH",
    "SASL_SCRAM_512_AUTH",
    "CLIENT_CERTIFICATE_TLS_AUTH",
    "SERVER_ROOT_CA_CERTIFICATE",
];

/// Refuses a mapping whose function's role could not do its part.
// DIVERGES: of an event source mapping's execution role, AWS checks the networks of Kafka, MQ and DocumentDB and an S3
// destination, too; those rights are not asked for here.
pub(crate) fn check(env: &Env, mapping: &Mapping, function: &Function, now: Timestamp) -> Result<(), Error> {
    let sessions = env.sessions()?;
    let role = &function.settings.role;
    let may = |ask: &Ask| match sessions.role(role)? {
        Some(facts) => sessions.would_allow(&facts, &function.name, ask, now),
        None => Ok(false),
    };
    let kind = mapping.source.kind();
    if let (true, Some(stream)) = (kind.is_stream(), &mapping.source.arn) {
        let (on_stream, list) = stream_actions(kind);
        let mut allowed = may(&Ask::on_any(list))? || may(&Ask::on(list, stream.clone()))?;
        for action in on_stream {
            allowed = allowed && may(&Ask::on(action, stream.clone()))?;
        }
        if !allowed {
            // AWS: text as the service words it.
            return Err(refused(&format!(
                "Cannot access stream {stream}. Please ensure the role can perform the GetRecords, GetShardIterator, \
                 DescribeStream, ListShards, and ListStreams Actions on your stream in IAM."
            )));
        }
    }
    for Need { action, on, service } in needs(mapping, kind)? {
        if !may(&Ask::on(action, on))? {
            let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
            // AWS: text as the service words it.
            return Err(refused(&format!(
                "The function execution role does not have permissions to call {operation} on {service}"
            )));
        }
    }
    Ok(())
}

/// Actions on the stream, and the one on all streams. The latter has no resource, but is often allowed on the stream only.
const fn stream_actions(kind: Kind) -> (&'static [&'static str], &'static str) {
    match kind {
        Kind::Kinesis => (
            &[
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:DescribeStream",
                "kinesis:ListShards",
            ],
            "kinesis:ListStreams",
        ),
        _ => (
            &["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"],
            "dynamodb:ListStreams",
        ),
    }
}

fn needs(mapping: &Mapping, kind: Kind) -> Result<Vec<Need>, Error> {
    let (source, actions): (_, &[&'static str]) = match kind {
        Kind::Queue { .. } => ("SQS", &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]),
        Kind::Msk => ("Kafka", &["kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"]),
        Kind::Broker => ("MQ", &["mq:DescribeBroker"]),
        Kind::DocumentDb => ("RDS", &["rds:DescribeDBClusters"]),
        Kind::Kinesis | Kind::DynamoDb | Kind::Kafka => ("", &[]),
    };
    let mut needs: Vec<Need> = mapping
        .source
        .arn
        .iter()
        .flat_map(|arn| actions.iter().map(|action| Need { action, on: arn.clone(), service: source }))
        .collect();
    let secrets = mapping.settings.access.iter().filter(|(name, _)| SECRETS.contains(&name.as_str()));
    for (name, uri) in secrets {
        let on = secret(uri).ok_or_else(|| {
            refused(&format!("the source access configuration {name} needs the ARN of a secret"))
        })?;
        needs.push(Need { action: "secretsmanager:GetSecretValue", on, service: "Secrets Manager" });
    }
    let destination = mapping.settings.on_failure.as_deref().and_then(|to| Arn::parse(to).ok());
    if let Some(on) = destination {
        match on.service() {
            "sqs" => needs.push(Need { action: "sqs:SendMessage", on, service: "SQS" }),
            "sns" => needs.push(Need { action: "sns:Publish", on, service: "SNS" }),
            _ => {}
        }
    }
    Ok(needs)
}

/// What may be asked for: the right to read anything else would not be judged.
fn secret(uri: &str) -> Option<Arn> {
    Arn::parse(uri).ok().filter(|arn| arn.service() == "secretsmanager")
}
