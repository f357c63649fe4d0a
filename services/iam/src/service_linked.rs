//! Service-linked roles: which services have them, what they are called, and how they are told apart.

use casemate_names::{Arn, Scope};
use casemate_store::{Key, Row};
use serde::{Deserialize, Serialize};

use crate::{entity::SERVICE_LINKED_PATH, resource::entity_arn};

/// The latest deletion of a service-linked role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeletionRow {
    /// See [`task_id`].
    pub(crate) task: String,
}

impl Row for DeletionRow {
    const TABLE: &'static str = "iam.service-linked-role-deletions";
    const VERSION: u16 = 1;
}

/// The key of a role's latest deletion.
pub(crate) fn deletion_key(scope: &Scope, role: &Arn) -> Key {
    Key::of_account(scope).text(role.resource())
}

/// A service that has a service-linked role.
#[derive(Debug)]
pub(crate) struct Linked {
    /// The service that assumes the role.
    pub(crate) principal: &'static str,
    /// The role's name.
    role: &'static str,
    /// AWS's policy that it holds.
    policy: &'static str,
    /// May a role have a suffix of the caller's choice?
    suffix: Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suffix {
    Allowed,
    Forbidden,
}

const fn linked(principal: &'static str, role: &'static str, policy: &'static str) -> Linked {
    Linked { principal, role, policy, suffix: Suffix::Forbidden }
}

// AWS: the service-linked role pages of the services' guides.
const KNOWN: &[Linked] = &[
    linked(
        "apidestinations.events.amazonaws.com",
        "AWSServiceRoleForAmazonEventBridgeApiDestinations",
        "AmazonEventBridgeApiDestinationsServiceRolePolicy",
    ),
    linked("appsync.amazonaws.com", "AWSServiceRoleForAppSync", "AWSAppSyncServiceRolePolicy"),
    Linked {
        principal: "autoscaling.amazonaws.com",
        role: "AWSServiceRoleForAutoScaling",
        policy: "AutoScalingServiceRolePolicy",
        suffix: Suffix::Allowed,
    },
    linked(
        "cks.kms.amazonaws.com",
        "AWSServiceRoleForKeyManagementServiceCustomKeyStores",
        "AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy",
    ),
    linked(
        "cognito-idp.amazonaws.com",
        "AWSServiceRoleForAmazonCognitoIdp",
        "AmazonCognitoIdpServiceRolePolicy",
    ),
    linked(
        "contributorinsights.dynamodb.amazonaws.com",
        "AWSServiceRoleForDynamoDBCloudWatchContributorInsights",
        "DynamoDBCloudWatchContributorInsightsServiceRolePolicy",
    ),
    linked(
        "dynamodb.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
        "AWSApplicationAutoscalingDynamoDBTablePolicy",
    ),
    linked("ecs.amazonaws.com", "AWSServiceRoleForECS", "AmazonECSServiceRolePolicy"),
    linked(
        "elasticloadbalancing.amazonaws.com",
        "AWSServiceRoleForElasticLoadBalancing",
        "AWSElasticLoadBalancingServiceRolePolicy",
    ),
    linked(
        "email.cognito-idp.amazonaws.com",
        "AWSServiceRoleForAmazonCognitoIdpEmailService",
        "AmazonCognitoIdpEmailServiceRolePolicy",
    ),
    linked(
        "kinesisreplication.dynamodb.amazonaws.com",
        "AWSServiceRoleForDynamoDBKinesisDataStreamsReplication",
        "DynamoDBKinesisReplicationServiceRolePolicy",
    ),
    linked(
        "lambda.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency",
        "AWSApplicationAutoscalingLambdaConcurrencyPolicy",
    ),
    linked(
        "mrk.kms.amazonaws.com",
        "AWSServiceRoleForKeyManagementServiceMultiRegionKeys",
        "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy",
    ),
    linked("ops.apigateway.amazonaws.com", "AWSServiceRoleForAPIGateway", "APIGatewayServiceRolePolicy"),
    linked(
        "organizations.amazonaws.com",
        "AWSServiceRoleForOrganizations",
        "AWSOrganizationsServiceTrustPolicy",
    ),
    linked("rds.amazonaws.com", "AWSServiceRoleForRDS", "AmazonRDSServiceRolePolicy"),
    linked(
        "replication.dynamodb.amazonaws.com",
        "AWSServiceRoleForDynamoDBReplication",
        "DynamoDBReplicationServiceRolePolicy",
    ),
    linked("replicator.lambda.amazonaws.com", "AWSServiceRoleForLambdaReplicator", "AWSLambdaReplicator"),
    linked("schemas.amazonaws.com", "AWSServiceRoleForSchemas", "AmazonEventBridgeSchemasServiceRolePolicy"),
    linked("ses.amazonaws.com", "AWSServiceRoleForAmazonSES", "AmazonSESServiceRolePolicy"),
    linked("spot.amazonaws.com", "AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy"),
];

/// The service with this principal.
pub(crate) fn find(principal: &str) -> Option<&'static Linked> {
    KNOWN.iter().find(|linked| linked.principal == principal)
}

impl Linked {
    /// The role's name with a suffix, if it may have one.
    pub(crate) fn role_name(&self, suffix: Option<&str>) -> Option<String> {
        match suffix {
            None => Some(self.role.to_owned()),
            Some(suffix) => (self.suffix == Suffix::Allowed).then(|| format!("{}_{suffix}", self.role)),
        }
    }

    /// The role's path.
    pub(crate) fn path(&self) -> String {
        path_of(self.principal)
    }

    /// The ARN of the policy it holds.
    pub(crate) fn policy_arn(&self) -> Option<String> {
        casemate_managed::named(self.policy).map(casemate_managed::Managed::arn)
    }

    /// The trust policy: nobody but the service.
    pub(crate) fn trust(&self) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{}"}},"Action":"sts:AssumeRole"}}]}}"#,
            self.principal
        )
    }
}

/// The path of the service-linked role of a principal.
pub(crate) fn path_of(principal: &str) -> String {
    format!("{SERVICE_LINKED_PATH}{principal}/")
}

/// The id under which the deletion of a role is asked about: `task/aws-service-role/service/role/id`.
// AWS: IAM API reference, DeleteServiceLinkedRole, `DeletionTaskId`.
pub(crate) fn task_id(path: &str, role: &str, id: &str) -> String {
    format!("task{path}{role}/{id}")
}

/// The role that a task id is about, as an ARN.
pub(crate) fn role_of_task(scope: &Scope, task: &str) -> Option<Arn> {
    let rest = task.strip_prefix("task")?.strip_prefix(SERVICE_LINKED_PATH)?;
    let mut parts = rest.split('/');
    let (principal, role, id) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && !principal.is_empty() && !role.is_empty() && !id.is_empty();
    whole.then(|| entity_arn(scope, "role", &path_of(principal), role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use casemate_kernel::policy::{Kind, Policy};

    #[test]
    fn every_service_has_its_policy_and_a_trust_policy_that_parses() {
        for linked in KNOWN {
            let arn = linked.policy_arn();
            let found = arn.as_deref().and_then(casemate_managed::find);
            assert!(
                found.is_some_and(casemate_managed::Managed::is_for_service_linked_roles),
                "{}",
                linked.policy
            );
            assert!(Policy::parse(&linked.trust(), Kind::Trust).is_ok());
            assert_eq!(find(linked.principal).unwrap().role, linked.role);
            assert!(linked.role.len() <= 64, "{}", linked.role);
        }
        assert!(find("lambda.amazonaws.com.evil").is_none());
    }

    #[test]
    fn suffixes_are_taken_only_where_the_service_allows_them() {
        let suffixed = |service: &str| find(service).unwrap().role_name(Some("x"));
        assert_eq!(suffixed("autoscaling.amazonaws.com").unwrap(), "AWSServiceRoleForAutoScaling_x");
        assert_eq!(suffixed("ecs.amazonaws.com"), None);
    }
}
