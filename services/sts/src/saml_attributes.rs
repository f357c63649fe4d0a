//! Attributes of a SAML assertion that are condition keys of trust policies.
// AWS: IAM User Guide, "Configure SAML assertions for the authentication response", "Mapping SAML attributes to AWS trust
// policy context keys", and the types given there.
// tidy: table

use casemate_kernel::KeyValue;
use casemate_saml::Assertion;

/// Attributes of many values: name and key.
const LISTS: &[(&str, &str)] = &[
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "saml:eduPersonAffiliation"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.2", "saml:eduPersonNickname"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.4", "saml:eduPersonOrgUnitDN"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.7", "saml:eduPersonEntitlement"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.9", "saml:eduPersonScopedAffiliation"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.10", "saml:eduPersonTargetedID"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.11", "saml:eduPersonAssurance"),
    ("urn:oid:1.3.6.1.4.1.5923.1.2.1.2", "saml:eduOrgHomePageURI"),
    ("urn:oid:1.3.6.1.4.1.5923.1.2.1.3", "saml:eduOrgIdentityAuthNPolicyURI"),
    ("urn:oid:1.3.6.1.4.1.5923.1.2.1.4", "saml:eduOrgLegalName"),
    ("urn:oid:1.3.6.1.4.1.5923.1.2.1.5", "saml:eduOrgSuperiorURI"),
    ("urn:oid:1.3.6.1.4.1.5923.1.2.1.6", "saml:eduOrgWhitePagesURI"),
    ("urn:oid:2.5.4.3", "saml:cn"),
];

/// Attributes of one value: names and key.
// DIVERGES: AWS's page writes X.500 names without `urn:oid:`, and two numbers with a misprint (`2.4.5.42`,
// `0.9.2342.19200300100.1`); here the numbers of the standards count, in both spellings. It lists a key `primaryGroupSID` and
// gives no attribute for it, but makes the attribute of that name `uid`: it is both.
const TEXTS: &[(&[&str], &str)] = &[
    (&["urn:oid:1.3.6.1.4.1.5923.1.1.1.3"], "saml:eduPersonOrgDN"),
    (&["urn:oid:1.3.6.1.4.1.5923.1.1.1.5"], "saml:eduPersonPrimaryAffiliation"),
    (&["urn:oid:1.3.6.1.4.1.5923.1.1.1.6"], "saml:eduPersonPrincipalName"),
    (&["urn:oid:1.3.6.1.4.1.5923.1.1.1.8"], "saml:eduPersonPrimaryOrgUnitDN"),
    (&["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"], "saml:name"),
    (&["http://schemas.xmlsoap.org/claims/CommonName", "2.5.4.3"], "saml:commonName"),
    (
        &["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname", "2.5.4.42", "urn:oid:2.5.4.42"],
        "saml:givenName",
    ),
    (
        &["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "2.5.4.4", "urn:oid:2.5.4.4"],
        "saml:surname",
    ),
    (
        &[
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
            "0.9.2342.19200300.100.1.3",
            "urn:oid:0.9.2342.19200300.100.1.3",
        ],
        "saml:mail",
    ),
    (&[PRIMARY_GROUP, "0.9.2342.19200300.100.1.1", "urn:oid:0.9.2342.19200300.100.1.1"], "saml:uid"),
    (&[PRIMARY_GROUP], "saml:primaryGroupSID"),
    (&["2.5.4.45", "urn:oid:2.5.4.45"], "saml:x500UniqueIdentifier"),
    (&["0.9.2342.19200300.100.1.45", "urn:oid:0.9.2342.19200300.100.1.45"], "saml:organizationStatus"),
];

const PRIMARY_GROUP: &str = "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid";

/// The keys that an assertion's attributes are. A key of one value that several claims give different values has an entry
/// for each: which of them AWS maps it does not say, and of what is said twice nothing is known at the gate.
pub(crate) fn keys(assertion: &Assertion) -> Vec<(String, KeyValue)> {
    let values = |name: &str| -> Vec<String> {
        let named = assertion.attributes.iter().filter(|attribute| attribute.name == name);
        named.flat_map(|attribute| attribute.values.iter().cloned()).collect()
    };
    let mut keys = Vec::new();
    for (name, key) in LISTS {
        let all = values(name);
        if !all.is_empty() {
            keys.push(((*key).to_owned(), all.into()));
        }
    }
    for (names, key) in TEXTS {
        let all = names.iter().flat_map(|name| values(name));
        keys.extend(all.map(|value| ((*key).to_owned(), KeyValue::from(value))));
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    /// What every response proves, attributes or not.
    const ALWAYS: [&str; 6] =
        ["saml:aud", "saml:doc", "saml:iss", "saml:namequalifier", "saml:sub", "saml:sub_type"];

    #[test]
    fn the_keys_and_their_kinds_are_the_models() {
        let model: Value = serde_json::from_str(include_str!("../../../models/actions/sts.json")).unwrap();
        let listed = model["keys"].as_object().unwrap().iter();
        let in_model: BTreeMap<String, bool> = listed
            .filter(|(key, _)| key.starts_with("saml:") && !ALWAYS.contains(&key.as_str()))
            .map(|(key, kind)| (key.to_ascii_lowercase(), kind == "ArrayOfString"))
            .collect();
        let lists = LISTS.iter().map(|(_, key)| (key.to_ascii_lowercase(), true));
        let here = lists.chain(TEXTS.iter().map(|(_, key)| (key.to_ascii_lowercase(), false)));
        assert_eq!(here.collect::<BTreeMap<_, _>>(), in_model);
    }
}
