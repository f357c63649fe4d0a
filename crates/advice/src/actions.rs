//! The services' actions and condition keys, from the tables in `models/actions`. Of a service without a table nothing is
//! said.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use serde::Deserialize;

use crate::glob::fits;

const TABLES: &[&str] = include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// How far a misspelt name may be from the right one to be suggested. Ours.
const DISTANCE_MAX: usize = 3;

#[derive(Debug, Deserialize)]
struct Table {
    prefix: String,
    actions: BTreeMap<String, Action>,
    /// Condition keys and their types.
    keys: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Action {
    keys: Vec<String>,
    resources: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    keys: Vec<String>,
}

/// Global keys. `…/` stands for keys that end in a name of their own.
// AWS: IAM User Guide, "AWS global condition context keys".
const GLOBAL_KEYS: &[&str] = &[
    "aws:AssumedRoot",
    "aws:CalledVia",
    "aws:CalledViaAWSMCP",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
    "aws:ChatbotSourceArn",
    "aws:CurrentTime",
    "aws:Ec2InstanceSourcePrivateIPv4",
    "aws:Ec2InstanceSourceVpc",
    "aws:EpochTime",
    "aws:FederatedProvider",
    "aws:IsMcpServiceAction",
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalServiceName",
    "aws:PrincipalServiceNamesList",
    "aws:PrincipalTag/",
    "aws:PrincipalType",
    "aws:Referer",
    "aws:RequestTag/",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:ResourceOrgPaths",
    "aws:ResourceTag/",
    "aws:SecureTransport",
    "aws:SignInSessionArn",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIdentity",
    "aws:SourceIp",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceOwner",
    "aws:SourceVpc",
    "aws:SourceVpcArn",
    "aws:SourceVpce",
    "aws:TagKeys",
    "aws:TokenIssueTime",
    "aws:UserAgent",
    "aws:ViaAWSMCPService",
    "aws:ViaAWSService",
    "aws:VpcSourceIp",
    "aws:VpceAccount",
    "aws:VpceOrgID",
    "aws:VpceOrgPaths",
    "aws:userid",
    "aws:username",
    // Session facts that services spell without `aws:`.
    "ec2:RoleDelivery",
    "ec2:SourceInstanceArn",
    "glue:CredentialIssuingService",
    "glue:RoleAssumedBy",
    "lambda:SourceFunctionArn",
    "ssm:SourceInstanceArn",
    "identitystore:UserId",
];

/// Those of the global keys that are multi-valued.
const GLOBAL_MULTI_VALUED: &[&str] = &[
    "aws:CalledVia",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalServiceNamesList",
    "aws:ResourceOrgPaths",
    "aws:SourceOrgPaths",
    "aws:TagKeys",
    "aws:VpceOrgPaths",
];

fn tables() -> &'static [Table] {
    static READ: OnceLock<Vec<Table>> = OnceLock::new();
    READ.get_or_init(|| TABLES.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// The tables of a service, or of all services a pattern covers.
fn of(service: &str) -> impl Iterator<Item = &'static Table> {
    tables().iter().filter(move |table| fits(service, &table.prefix))
}

/// Every known action that a pattern matches.
pub(crate) fn matching(pattern: &str) -> Vec<String> {
    let (service, name) = pattern.split_once(':').unwrap_or((pattern, "*"));
    of(service)
        .flat_map(|table| {
            let named = table.actions.keys().filter(|action| fits(name, action));
            named.map(|action| format!("{}:{action}", table.prefix))
        })
        .collect()
}

/// Whether we know the service's actions.
pub(crate) fn knows(service: &str) -> bool {
    tables().iter().any(|table| table.prefix.eq_ignore_ascii_case(service))
}

/// Whether an action can be limited to single resources.
pub(crate) fn has_resources(action: &str) -> bool {
    let Some((service, name)) = action.split_once(':') else { return false };
    of(service).filter_map(|table| table.actions.get(name)).any(|action| !action.resources.is_empty())
}

/// The action of the same service that is spelt most like it.
pub(crate) fn similar_action(action: &str) -> Option<String> {
    let (service, name) = action.split_once(':')?;
    let table = of(service).next()?;
    nearest(name, table.actions.keys().map(String::as_str)).map(|found| format!("{}:{found}", table.prefix))
}

/// Whether a condition key is multi-valued: a policy must ask for it with `ForAllValues` or `ForAnyValue`. Of keys that no
/// table has the answer is no.
// AWS: the types of the Service Authorization Reference; IAM User Guide, "AWS global condition context keys", and for `amr`
// "Available keys for AWS OIDC federation".
pub fn is_multi_valued(key: &str) -> bool {
    let same = |known: &str| known.eq_ignore_ascii_case(key);
    let listed =
        |table: &Table| table.keys.iter().any(|(known, kind)| same(known) && kind.starts_with("ArrayOf"));
    let of_issuer = key.rsplit_once(':').is_some_and(|(_, claim)| claim.eq_ignore_ascii_case("amr"));
    GLOBAL_MULTI_VALUED.iter().any(|known| same(known)) || of_issuer || tables().iter().any(listed)
}

/// Whether a condition key exists; `Err` has the most similar one. Unknown services' keys pass.
pub(crate) fn key(key: &str) -> Result<(), Option<String>> {
    let Some((service, _)) = key.split_once(':') else { return Err(None) };
    let known: BTreeSet<&str> = if service.eq_ignore_ascii_case("aws") {
        GLOBAL_KEYS.iter().copied().collect()
    } else {
        let keys = of(service).flat_map(|table| table.actions.values()).flat_map(|action| {
            action.keys.iter().chain(action.resources.iter().flat_map(|resource| &resource.keys))
        });
        let own =
            |known: &&str| known.split_once(':').is_some_and(|(of, _)| of.eq_ignore_ascii_case(service));
        keys.map(String::as_str).chain(GLOBAL_KEYS.iter().copied()).filter(own).collect()
    };
    if known.is_empty() || !service.eq_ignore_ascii_case("aws") && !knows(service) {
        return Ok(());
    }
    let fits_known = |known: &&str| {
        let stem = known.split("${").next().unwrap_or(known);
        let open = stem.len() < known.len() || known.ends_with('/');
        let same = key.get(..stem.len()).is_some_and(|start| start.eq_ignore_ascii_case(stem));
        same && if open { key.len() > stem.len() } else { key.len() == stem.len() }
    };
    if known.iter().any(fits_known) {
        return Ok(());
    }
    Err(nearest(key, known.iter().copied()).map(str::to_owned))
}

fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    known
        .map(|name| (distance(&text, &name.to_ascii_lowercase()), name))
        .filter(|(distance, _)| *distance <= DISTANCE_MAX)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, remove or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut before = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (other, above) in b.iter().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(before + usize::from(*other != c));
            before = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_read() {
        assert!(TABLES.len() >= 9);
        assert_eq!(tables().len(), TABLES.len());
    }

    #[test]
    fn keys_are_multi_valued_by_their_tables() {
        for key in
            ["dynamodb:leadingkeys", "aws:TagKeys", "saml:edupersonaffiliation", "idp.example.com/realm:amr"]
        {
            assert!(is_multi_valued(key), "{key}");
        }
        for key in
            ["dynamodb:Select", "aws:RequestTag/team", "saml:sub", "idp.example.com:sub", "amr", "no:Such"]
        {
            assert!(!is_multi_valued(key), "{key}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in [("", "abc", 3), ("getitem", "getitm", 1), ("abc", "abd", 1), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn misspelt_names_are_told_from_unknown_services() {
        assert_eq!(similar_action("dynamodb:GetItems").as_deref(), Some("dynamodb:GetItem"));
        assert_eq!(key("dynamodb:LeadingKeys"), Ok(()));
        assert_eq!(key("dynamodb:leadingkey"), Err(Some("dynamodb:LeadingKeys".to_owned())));
        assert_eq!(key("aws:PrincipalTag/team"), Ok(()));
        assert_eq!(key("aws:PrincipalTag/"), Err(Some("aws:PrincipalTag/".to_owned())));
        assert_eq!(key("aws:SourceARN"), Ok(()));
        assert_eq!(key("aws:SorceArn"), Err(Some("aws:SourceArn".to_owned())));
        assert_eq!(key("nosuch:Key"), Ok(()));
    }
}
