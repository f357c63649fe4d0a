//! Puts a document to the rules of the service that it is for.

use casemate_names::Arn;
use casemate_resource_policies::{Refusal, of_resource, secretsmanager};

use crate::{
    Miss,
    table::{AttachedVector, document},
};

/// Asks and compares.
pub(crate) fn vector(vector: &AttachedVector) -> Result<(), (Miss, String)> {
    let miss = |miss, text: &str| Err((miss, format!("{}: {text}", vector.name)));
    let Ok(resource) = Arn::parse(&vector.resource) else { return miss(Miss::Deny, "no ARN") };
    let Some(rules) = of_resource(&resource) else { return miss(Miss::Deny, "no resource with rules") };
    let text = match vector.policy.as_str() {
        Some(text) => text.to_owned(),
        None => document(&vector.policy).to_string(),
    };
    let text = format!("{text:width$}", width = vector.bytes);
    let block = |policy| if vector.block_public { secretsmanager::block_public(&policy) } else { Ok(()) };
    let said: Result<(), Refusal> = rules.attach(&text, &resource).and_then(block);
    match (said, &vector.refused) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => miss(Miss::Allow, "taken"),
        (Err(refusal), Some(wanted)) if refusal.to_string().starts_with(wanted) => Ok(()),
        (Err(refusal), _) => miss(Miss::Deny, &refusal.to_string()),
    }
}
