//! Session policies: what a session is limited to, and how much room that takes.

use casemate_kernel::{
    Sessions,
    policy::{Kind, Policy},
};
use casemate_names::{AccountId, Arn};

use crate::api::{Error, PolicyDescriptorType};

/// Session policies by ARN.
// AWS: STS API reference, AssumeRole, `PolicyArns`.
const POLICY_ARNS_MAX: usize = 10;

/// Characters of the inline session policy and the ARNs together; `PackedPolicySize` is relative to it.
// AWS: STS API reference: 2,048 for the plain text. The packed binary limit is not published.
const POLICY_CHARS_MAX: usize = 2048;

/// What a session is limited to.
#[derive(Debug, Default)]
pub(crate) struct SessionPolicies {
    /// Names and documents; `None` when nothing was given.
    pub(crate) documents: Option<Vec<(String, String)>>,
    /// How much of the room they take, in percent.
    pub(crate) packed: Option<i32>,
}

/// Reads the documents that limit a session in `account`.
pub(crate) fn read(
    sessions: &Sessions,
    account: &AccountId,
    inline: Option<&str>,
    arns: Option<&[PolicyDescriptorType]>,
) -> Result<SessionPolicies, Error> {
    let arns = arns.unwrap_or_default();
    if arns.len() > POLICY_ARNS_MAX {
        return Err(Error::Validation(format!("A session can have at most {POLICY_ARNS_MAX} policy ARNs.")));
    }
    // First: what is too long is not read.
    let chars = inline.unwrap_or("").chars().count()
        + arns.iter().filter_map(|descriptor| descriptor.arn.as_deref()).map(str::len).sum::<usize>();
    if chars > POLICY_CHARS_MAX {
        return Err(Error::packed_policy_too_large_exception(
            "Packed size of session policies exceeds the limit.",
        ));
    }
    let mut documents = Vec::new();
    if let Some(text) = inline {
        check(text)?;
        documents.push(("session policy".to_owned(), text.to_owned()));
    }
    for PolicyDescriptorType { arn } in arns {
        let arn = arn.clone().unwrap_or_default();
        let found = sessions.managed_policy(&arn)?.filter(|_| is_usable(&arn, account));
        let text = found.ok_or_else(|| {
            Error::Validation(format!("The specified policy {arn} does not exist or cannot be used here."))
        })?;
        documents.push((arn, text));
    }
    let packed = i32::try_from(chars * 100 / POLICY_CHARS_MAX).ok();
    let limited = !documents.is_empty();
    Ok(SessionPolicies { documents: limited.then_some(documents), packed: packed.filter(|_| limited) })
}

/// Session policies are AWS's own or of the session's account.
fn is_usable(policy_arn: &str, account: &AccountId) -> bool {
    Arn::parse(policy_arn)
        .is_ok_and(|policy| policy.account() == "aws" || policy.account() == account.as_str())
}

fn check(text: &str) -> Result<(), Error> {
    Policy::parse(text, Kind::Session)
        .map(drop)
        .map_err(|error| Error::malformed_policy_document_exception(error.to_string()))
}
