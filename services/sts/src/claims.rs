//! Claims of tokens, besides the audience and the subject, that are condition keys: of some issuers, and of each only those
//! that AWS lists.
// AWS: Service Authorization Reference, condition keys of STS (`models/actions/sts.json`, which a test compares); IAM User
// Guide, "Available keys for AWS OIDC federation".

use serde_json::{Map, Value};

const GITHUB: &[&str] = &[
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "repository_owner_id",
    "workflow",
];
const BUILDKITE: &[&str] = &[
    "build_branch",
    "cluster_id",
    "cluster_name",
    "organization_id",
    "organization_slug",
    "pipeline_id",
    "pipeline_slug",
];
const GITLAB: &[&str] = &[
    "namespace_id",
    "pipeline_source",
    "project_id",
    "ref_protected",
    "runner_environment",
    "user_access_level",
    "user_email",
    "user_id",
    "user_login",
];

/// Issuers without their scheme, `*` for a part of one's own, and their claims.
const CLAIMS: &[(&str, &[&str])] = &[
    ("accounts.google.com", &["google/organization_number"]),
    ("agent.*.buildkite.dev", BUILDKITE),
    ("agent.*.buildkite.site", BUILDKITE),
    ("agent.buildkite.com", BUILDKITE),
    ("github.com/enterprises/*", GITHUB),
    ("gitlab.com", GITLAB),
    ("idcs-*.identity.oraclecloud.com", &["rpst_id"]),
    ("oidc.circleci.com/org/*", &["oidc.circleci.com/project-id"]),
    ("token.actions.*.ghe.com", GITHUB),
    ("token.actions.githubusercontent.com", GITHUB),
    ("token.actions.githubusercontent.com/*", GITHUB),
];

/// The condition keys that claims of a token of this issuer are, without those that every issuer's tokens have. A claim that
/// is neither text nor number nor truth has no place in a condition: `Err` names it.
pub(crate) fn keys(issuer: &str, claims: &Map<String, Value>) -> Result<Vec<(String, String)>, &'static str> {
    let listed = CLAIMS.iter().filter(|(pattern, _)| is_of(pattern, issuer)).flat_map(|(_, names)| *names);
    let mut keys = Vec::new();
    for name in listed {
        match found(claims, name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => keys.push((format!("{issuer}:{name}"), text.clone())),
            Some(other @ (Value::Number(_) | Value::Bool(_))) => {
                keys.push((format!("{issuer}:{name}"), other.to_string()));
            }
            Some(Value::Array(_) | Value::Object(_)) => return Err(name),
        }
    }
    Ok(keys)
}

/// A claim by its name, or else inside the claim that is named before the slash (`google/organization_number`).
fn found<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('/')?;
        claims.get(outer)?.get(inner)
    })
}

fn is_of(pattern: &str, issuer: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == issuer,
        Some((start, end)) => {
            let part = issuer.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
            part.is_some_and(|part| !part.is_empty() && !part.contains('/'))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Keys of providers that do not issue tokens of OpenID Connect to us, and those that every issuer's tokens have.
    fn is_elsewhere(key: &str) -> bool {
        let (issuer, claim) = key.rsplit_once(':').unwrap();
        matches!(
            issuer,
            "aws"
                | "sts"
                | "saml"
                | "iam"
                | "graph.facebook.com"
                | "www.amazon.com"
                | "cognito-identity.amazonaws.com"
        ) || matches!(claim, "aud" | "sub" | "oaud" | "amr")
    }

    #[test]
    fn the_table_is_the_models() {
        let model: Value = serde_json::from_str(include_str!("../../../models/actions/sts.json")).unwrap();
        let listed = model["keys"].as_object().unwrap().keys().filter(|key| !is_elsewhere(key));
        let in_model: BTreeSet<String> = listed
            .map(|key| match (key.find("${"), key.find('}')) {
                (Some(start), Some(end)) => {
                    format!("{}*{}", key.get(..start).unwrap(), key.get(end + 1..).unwrap())
                }
                _ => key.clone(),
            })
            .collect();
        let here = CLAIMS
            .iter()
            .flat_map(|(issuer, names)| names.iter().map(move |name| format!("{issuer}:{name}")));
        assert_eq!(here.collect::<BTreeSet<_>>(), in_model);
    }

    #[test]
    fn an_issuer_has_its_own_claims_only() {
        let claims = json!({
            "repository": "octo/app", "actor_id": 7, "ref_protected": true, "project_id": "9", "other": "x",
            "google": { "organization_number": 12 }, "environment": null
        });
        let of = |issuer: &str| keys(issuer, claims.as_object().unwrap()).unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for issuer in [
            "token.actions.githubusercontent.com",
            "token.actions.githubusercontent.com/octo",
            "token.actions.octo.ghe.com",
        ] {
            let expected =
                [pair(&format!("{issuer}:actor_id"), "7"), pair(&format!("{issuer}:repository"), "octo/app")];
            assert_eq!(of(issuer), expected);
        }
        let expected = [pair("gitlab.com:project_id", "9"), pair("gitlab.com:ref_protected", "true")];
        assert_eq!(of("gitlab.com"), expected);
        assert_eq!(of("accounts.google.com"), [pair("accounts.google.com:google/organization_number", "12")]);
        for issuer in [
            "idp.example.com",
            "token.actions.githubusercontent.com/",
            "token.actions..ghe.com",
            "gitlab.com/x",
        ] {
            assert!(of(issuer).is_empty(), "{issuer}");
        }
    }

    #[test]
    fn a_claim_of_many_parts_is_no_key() {
        let claims = json!({ "repository": ["octo/app"] });
        assert_eq!(
            keys("token.actions.githubusercontent.com", claims.as_object().unwrap()),
            Err("repository")
        );
    }
}
