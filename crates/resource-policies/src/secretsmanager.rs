//! Resource policies of secrets.
//!
//! They count by the ordinary rule. A secret's ARN ends in six random characters, so neither its name nor a longer name's
//! beginning means it by accident; a resource is the secret's whole ARN, a pattern of it, or `*`.

use casemate_names::Arn;
use casemate_policy::{
    Context, Effect3, FixedKeys, Policy, Principal, Request, ResourceRule, evaluate, public_statement,
};

use crate::{Refusal, Rules, document::Document, is_name};

const SERVICE: &str = "secretsmanager";

/// In characters.
// AWS: Secrets Manager API reference, PutResourcePolicy, `ResourcePolicy`.
const CHARACTERS_MAX: usize = 20_480;
/// Of a secret's name.
// AWS: Secrets Manager API reference, CreateSecret, `Name`; also what its ARN's end is.
const NAME_MAX: usize = 512;
const SUFFIX_CHARACTERS: usize = 6;

/// What policies can name.
// AWS: Service Authorization Reference, AWS Secrets Manager.
const ACTIONS: [&str; 23] = [
    "BatchGetSecretValue",
    "CancelRotateSecret",
    "CreateSecret",
    "DeleteResourcePolicy",
    "DeleteSecret",
    "DescribeSecret",
    "GetRandomPassword",
    "GetResourcePolicy",
    "GetSecretValue",
    "ListSecretVersionIds",
    "ListSecrets",
    "PutResourcePolicy",
    "PutSecretValue",
    "RemoveRegionsFromReplication",
    "ReplicateSecretToRegions",
    "RestoreSecret",
    "RotateSecret",
    "StopReplicationToReplica",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "ValidateResourcePolicy",
];

/// Without these a policy cannot be put right again.
const REPAIRS: [&str; 2] = ["secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy"];

/// The rules of secrets.
#[derive(Debug, Clone, Copy)]
pub struct Secrets;

/// Something that `ValidateResourcePolicy` finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What was found.
    pub message: String,
}

/// What `ValidateResourcePolicy` looks at.
// AWS: Secrets Manager API reference, ValidateResourcePolicy: three checks.
// DIVERGES: AWS does not publish the names of the checks of ValidateResourcePolicy; these are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The document could be attached.
    Syntax,
    /// It does not let everybody in.
    PublicAccess,
    /// It does not keep the caller from changing it again.
    Lockout,
}

impl Check {
    /// The name in the answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "SYNTAX",
            Self::PublicAccess => "PUBLIC_ACCESS",
            Self::Lockout => "LOCKOUT",
        }
    }
}

impl Rules for Secrets {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn holds(&self, resource: &Arn) -> bool {
        let end = resource.resource().strip_prefix("secret:").and_then(|rest| rest.rsplit_once('-'));
        resource.service() == SERVICE
            && resource.account_id().is_some()
            && end.is_some_and(|(name, suffix)| {
                is_name(name, "/_+=.@-", NAME_MAX)
                    && suffix.len() == SUFFIX_CHARACTERS
                    && is_name(suffix, "", SUFFIX_CHARACTERS)
            })
    }

    fn rule(&self, _action: &str) -> ResourceRule {
        ResourceRule::Ordinary
    }

    fn malformed(&self, why: String) -> Refusal {
        // AWS: Secrets Manager User Guide, "Managing a resource-based policy for a secret": texts of the errors.
        Refusal::new("MalformedPolicyDocumentException", "This resource policy contains a syntax error.", why)
    }

    fn size(&self, text: &str) -> Result<(), Refusal> {
        let count = text.chars().count();
        if count <= CHARACTERS_MAX {
            return Ok(());
        }
        let message = format!(
            "1 validation error detected: Value at 'resourcePolicy' failed to satisfy constraint: Member must have length less \
             than or equal to {CHARACTERS_MAX}"
        );
        let why = format!("it has {count} characters and may have {CHARACTERS_MAX}");
        Err(Refusal::new("ValidationException", message, why))
    }

    // DIVERGES: AWS does not say which actions and resources it refuses in a secret's policy. A statement that can never apply to
    // the secret is refused.
    fn fits(&self, document: &Document, resource: Option<&Arn>) -> Result<(), Refusal> {
        for statement in &document.statements {
            let refused = if let Some(action) = statement.unnamed_action(SERVICE, &ACTIONS) {
                format!("`{action}` is no action of a secret's policy")
            } else if statement.inverted {
                "a secret's policy says Resource, not NotResource".to_owned()
            } else if let Some(element) = statement.foreign_resource(SERVICE, resource) {
                format!("`{element}` is not the secret that the policy is for")
            } else {
                continue;
            };
            return Err(self.malformed(refused).at(statement.at));
        }
        Ok(())
    }
}

/// Refuses a policy that lets everybody in: for `BlockPublicPolicy`.
// AWS: Secrets Manager API reference, PutResourcePolicy; User Guide, "Managing a resource-based policy for a secret", which says
// by which fixed values a policy is not public, refers to S3's meaning of public, and has the text.
pub fn block_public(policy: &Policy) -> Result<(), Refusal> {
    let Some(statement) = public_statement(policy, &FixedKeys::default()) else { return Ok(()) };
    let message = "You can't attach a resource-based policy that allows broad access to the secret.";
    let refusal = Refusal::new("PublicPolicyException", message, "everybody is let in");
    Err(refusal.at(statement.index))
}

/// What `ValidateResourcePolicy` finds of a document that `caller` would attach; nothing is what passes. `context` has the
/// condition keys of the caller's next request.
pub fn findings(text: &str, secret: &Arn, caller: &Principal, context: &dyn Context) -> Vec<Finding> {
    let policy = match Secrets.attach(text, secret) {
        Ok(policy) => policy,
        Err(refusal) => return vec![Finding { check: Check::Syntax, message: refusal.message }],
    };
    // AWS: Secrets Manager User Guide, "Managing a resource-based policy for a secret": texts of the errors.
    let mut found = Vec::new();
    if block_public(&policy).is_err() {
        let message = "This resource policy grants broad access to your secret.".to_owned();
        found.push(Finding { check: Check::PublicAccess, message });
    }
    let denied = REPAIRS.iter().all(|action| {
        let request =
            Request { principal: caller, action, resource: secret.as_str(), resource_account: None, context };
        matches!(evaluate(&policy, &request), Effect3::Deny(_))
    });
    if denied {
        let message =
            "Your requested changes will not allow you to manage this secret in the future.".to_owned();
        found.push(Finding { check: Check::Lockout, message });
    }
    found
}

#[cfg(test)]
mod tests {
    use casemate_policy::NoContext;

    use super::*;

    fn found(statement: &str) -> Vec<&'static str> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let secret = Arn::parse("arn:aws:secretsmanager:us-east-1:123456789012:secret:db-a1B2c3").unwrap();
        let caller = Principal::Root { account: "123456789012".to_owned() };
        findings(&text, &secret, &caller, &NoContext).iter().map(|finding| finding.check.name()).collect()
    }

    fn statement(effect: &str, principal: &str, action: &str) -> String {
        format!(r#"{{"Effect":"{effect}","Principal":{principal},"Action":"{action}","Resource":"*"}}"#)
    }

    #[test]
    fn validation_finds_what_each_check_is_for() {
        let ann = r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#;
        let every = "secretsmanager:*";
        assert!(found(&statement("Allow", ann, "secretsmanager:GetSecretValue")).is_empty());
        assert_eq!(found(&statement("Allow", r#""*""#, "secretsmanager:GetSecretValue")), ["PUBLIC_ACCESS"]);
        assert_eq!(found(&statement("Allow", ann, "s3:GetObject")), ["SYNTAX"]);
        assert_eq!(found("{}"), ["SYNTAX"]);
        assert_eq!(found(&statement("Deny", r#"{"AWS":"123456789012"}"#, every)), ["LOCKOUT"]);
        // Who can still remove the policy is not locked out, and a denial of others locks out those.
        assert!(found(&statement("Deny", r#""*""#, "secretsmanager:PutResourcePolicy")).is_empty());
        assert!(found(&statement("Deny", r#"{"AWS":"210987654321"}"#, every)).is_empty());
        let both = format!("{},{}", statement("Allow", r#""*""#, every), statement("Deny", r#""*""#, every));
        assert_eq!(found(&both), ["PUBLIC_ACCESS", "LOCKOUT"]);
    }
}
