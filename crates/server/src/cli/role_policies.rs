//! The policies of a role, fetched by ordinary IAM calls.

use bytes::Bytes;
use casemate_iam::api;
use casemate_kernel::OperationModel;
use casemate_minimise::{Document, Recorded};
use casemate_schema::{Document as Input, OpMeta};

use super::{
    CliError,
    client::Client,
    xml::{self, Element},
};
use crate::admin;

/// A role, whom it trusts, and its identity policies.
#[derive(Debug)]
pub(crate) struct RolePolicies {
    pub(crate) arn: String,
    /// The trust policy.
    pub(crate) trust: String,
    /// Name (inline) or ARN (managed), and text.
    pub(crate) documents: Vec<(String, String)>,
}

impl RolePolicies {
    /// The policies as the minimiser reads them.
    pub(crate) fn parsed(&self) -> Result<Vec<Document>, CliError> {
        let documents = self.documents.iter().map(|(name, text)| Document::parse(name, text));
        Ok(documents.collect::<Result<_, _>>()?)
    }
}

/// What was recorded of a role's use.
pub(crate) async fn recorded(client: &Client, arn: &str) -> Result<Recorded, CliError> {
    let target = format!("/_casemate/recorded?principal={}", percent_encoded(arn));
    let answer = client.send(admin::SERVICE, "GET", &target, Vec::new(), Bytes::new()).await?.json()?;
    Ok(serde_json::from_value(answer)?)
}

/// Fetches a role's policies. `role` is its name or ARN.
pub(crate) async fn fetch(client: &Client, role: &str) -> Result<RolePolicies, CliError> {
    let name = name_of(role);
    let role = call(client, api::GetRole::META, &[("RoleName", name)]).await?;
    let of_role = |member: &str| role.find("Role").map_or("", |role| role.text_of(member)).to_owned();
    let (arn, trust) = (of_role("Arn"), percent_decoded(&of_role("AssumeRolePolicyDocument"))?);
    let mut documents = Vec::new();
    for policy in pages(client, api::ListRolePolicies::META, name, "PolicyNames").await? {
        let members = [("RoleName", name), ("PolicyName", policy.text.as_str())];
        let answer = call(client, api::GetRolePolicy::META, &members).await?;
        let text = answer.find("PolicyDocument").map_or("", |element| element.text.as_str());
        documents.push((policy.text.clone(), percent_decoded(text)?));
    }
    for policy in pages(client, api::ListAttachedRolePolicies::META, name, "AttachedPolicies").await? {
        let arn = policy.text_of("PolicyArn").to_owned();
        let answer = call(client, api::GetPolicy::META, &[("PolicyArn", &arn)]).await?;
        let version = answer.find("DefaultVersionId").map_or("", |element| element.text.as_str());
        let members = [("PolicyArn", arn.as_str()), ("VersionId", version)];
        let answer = call(client, api::GetPolicyVersion::META, &members).await?;
        let text = answer.find("Document").map_or("", |element| element.text.as_str());
        documents.push((arn.clone(), percent_decoded(text)?));
    }
    Ok(RolePolicies { arn, trust, documents })
}

/// The ARN of the role with this name.
pub(crate) async fn arn(client: &Client, name: &str) -> Result<String, CliError> {
    let found = call(client, api::GetRole::META, &[("RoleName", name)]).await?;
    Ok(found.find("Role").map_or("", |role| role.text_of("Arn")).to_owned())
}

/// The last part of a role's ARN; a name is itself.
fn name_of(role: &str) -> &str {
    if role.starts_with("arn:") { role.rsplit('/').next().unwrap_or(role) } else { role }
}

async fn pages(
    client: &Client,
    op: &'static OpMeta,
    role: &str,
    list: &str,
) -> Result<Vec<Element>, CliError> {
    let mut found = Vec::new();
    let mut marker = String::new();
    loop {
        let mut members = vec![("RoleName", role)];
        if !marker.is_empty() {
            members.push(("Marker", marker.as_str()));
        }
        let answer = call(client, op, &members).await?;
        found.extend(answer.members(list).to_vec());
        let more = answer.find("IsTruncated").is_some_and(|element| element.text == "true");
        let next = answer.find("Marker").map(|element| element.text.clone()).unwrap_or_default();
        if !more || next.is_empty() {
            return Ok(found);
        }
        marker = next;
    }
}

async fn call(
    client: &Client,
    op: &'static OpMeta,
    members: &[(&'static str, &str)],
) -> Result<Element, CliError> {
    let input = members.iter().fold(Input::empty(), |mut input, (name, value)| {
        input.push(name, (*value).into());
        input
    });
    let answer = client.call(op, &input).await?;
    let tree = xml::parse(&answer.text())?;
    if answer.status.is_success() {
        return Ok(tree);
    }
    let (code, message) = tree.find("Error").map_or(("", ""), |e| (e.text_of("Code"), e.text_of("Message")));
    Err(format!("{code}: {message}").into())
}

/// IAM sends documents percent-encoded.
fn percent_decoded(text: &str) -> Result<String, CliError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = digit().zip(digit()).ok_or("a policy document is not percent-encoded properly")?;
        out.push(u8::try_from(high << 4 | low)?);
    }
    Ok(String::from_utf8(out)?)
}

/// A query value, percent-encoded.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_of_arns_and_documents_out_of_their_encoding() {
        assert_eq!(name_of("arn:aws:iam::123456789012:role/a/path/worker"), "worker");
        assert_eq!(name_of("worker"), "worker");
        let text = "{\"a\": \"ü+%\"}";
        assert_eq!(percent_decoded(&percent_encoded(text)).unwrap(), text);
        assert!(percent_decoded("%4").is_err() && percent_decoded("%zz").is_err());
    }
}
