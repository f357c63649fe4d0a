//! Whom a resource's or a role's policy lets in.

use casemate_policy::Kind;

use super::at;
use crate::{
    document::{Document, Statement},
    finding::{CONFUSED_DEPUTY, EVERYBODY, Finding, UNBOUND_FEDERATION},
};

/// Keys of which one says for whom a service acts.
// AWS: IAM User Guide, "The confused deputy problem", "Cross-service confused deputy prevention".
const SOURCES: [&str; 4] = ["aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID", "aws:SourceOrgPaths"];

/// Keys of which one says who "everybody" is. Tags of principals are not among them: everybody tags their own.
// AWS: S3 User Guide, "The meaning of public", with the keys of organisations (IAM User Guide, "Global condition context
// keys") and `kms:CallerAccount`, by which the policies of AWS managed keys say whose they are.
const WHO: [&str; 18] = [
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIp",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceOwner",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:VpceOrgID",
    "aws:userid",
    "kms:CallerAccount",
    "s3:DataAccessPointAccount",
    "s3:DataAccessPointArn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Services that take on a role only for things it was passed to, which happens within the role's own account: there is no
/// other account that could make them act with it.
// AWS: IAM User Guide, "Grant a user permissions to pass a role to an AWS service": a role cannot be passed across accounts.
const OWN_ACCOUNT_ONLY: [&str; 3] = ["lambda.amazonaws.com", "edgelambda.amazonaws.com", "ec2.amazonaws.com"];

pub(super) fn all(document: &Document, kind: Kind) -> Vec<Finding> {
    if !matches!(kind, Kind::Resource | Kind::Trust) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for statement in document.allows() {
        found.extend(deputy(statement, kind));
        found.extend(everybody(statement));
        found.extend(federated(statement));
    }
    found
}

fn deputy(statement: &Statement, kind: Kind) -> Option<Finding> {
    let services: Vec<&str> = statement
        .principals("Service")
        .into_iter()
        .filter(|service| kind != Kind::Trust || !OWN_ACCOUNT_ONLY.contains(service))
        .collect();
    if services.is_empty() || SOURCES.iter().any(|key| statement.requires(key)) {
        return None;
    }
    let text =
        format!("{} is admitted whoever makes it act{}", services.join(", "), statement.idle(&SOURCES));
    Some(at(&CONFUSED_DEPUTY, statement, text))
}

fn everybody(statement: &Statement) -> Option<Finding> {
    let all = statement.principals("AWS").contains(&"*");
    let limited = WHO.iter().any(|key| statement.requires(key));
    let text = || format!("everybody is admitted: `Principal` is `*`{}", statement.idle(&WHO));
    (all && !limited).then(|| at(&EVERYBODY, statement, text()))
}

fn federated(statement: &Statement) -> Vec<Finding> {
    let mut found = Vec::new();
    for provider in statement.principals("Federated") {
        let saml = provider.contains(":saml-provider/");
        let host = provider.split_once(":oidc-provider/").map_or(provider, |(_, host)| host);
        let needed: Vec<String> = if saml {
            vec!["SAML:aud".to_owned()]
        } else {
            let mut keys = vec![format!("{host}:aud")];
            // Shared issuers: the audience is the same for all of their users.
            if host != "cognito-identity.amazonaws.com" {
                keys.push(format!("{host}:sub"));
            }
            keys
        };
        let missing: Vec<String> = needed.into_iter().filter(|key| !statement.requires(key)).collect();
        if !missing.is_empty() {
            let text = format!(
                "{provider} is admitted without a condition on {}{}",
                missing.join(" and "),
                statement.idle(&missing)
            );
            found.push(at(&UNBOUND_FEDERATION, statement, text));
        }
    }
    found
}
