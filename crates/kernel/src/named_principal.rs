//! Users, roles and sessions that stored documents name by ARN: by what they are told from namesakes, so that one made again
//! under the same name inherits nothing.
//!
//! ```text
//! put ──▶ principal_ids ──▶ (kept beside the document) ──┬──▶ enforced_principals ──▶ compiled
//!                                                        └──▶ shown_principals ────▶ answers
//! ```
//!
//! Refuses to know who keeps the document and what else it says. What is enforced depends on nothing but the document and
//! what was kept with it, so that it can be compiled once.

use std::collections::BTreeMap;

use casemate_names::Arn;
use casemate_policy::{Stake, rewrite_principals};

use crate::{Fault, Sessions};

/// Stands for somebody of whom no unique id was kept: nobody is given this one, ids that are drawn being shorter.
const NOBODY: &str = "AROA0000000000000000000000000000";

/// Somebody whom a document names by ARN, and whom a unique id tells from a namesake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedPrincipal {
    /// A user or role.
    Entity(Arn),
    /// A session of a role. Its ARN leaves out the role's path, and two roles of one account never share a name.
    Session {
        /// Its whole ARN.
        arn: Arn,
        /// The role's name, as spelt.
        role: String,
        /// The session's name.
        session: String,
    },
}

impl NamedPrincipal {
    /// Reads a name in a document. `None`: an account, an id, a federated user or whatever else has no unique id.
    pub fn parse(name: &str) -> Option<Self> {
        let arn = Arn::parse(name).ok()?;
        let (kind, rest) = arn.resource().split_once('/')?;
        match (arn.service(), kind) {
            ("iam", "user" | "role") => Some(Self::Entity(arn)),
            ("sts", "assumed-role") => {
                let (role, session) = rest.split_once('/').unwrap_or((rest, ""));
                let (role, session) = (role.to_owned(), session.to_owned());
                Some(Self::Session { arn, role, session })
            }
            _ => None,
        }
    }

    /// What stands in its place where a document is enforced, `id` being the unique id that was kept of it. `None`: the name
    /// itself.
    // AWS: IAM User Guide, "Principal": users and roles are kept by unique id, whatever the statement does; of sessions
    // nothing is said.
    // DIVERGES: a statement that takes something from a session goes on to do so when its role is made again.
    pub fn enforced(&self, id: Option<&str>, stake: Stake) -> Option<String> {
        match (self, stake, id) {
            (Self::Entity(_), _, Some(id)) => Some(id.to_owned()),
            (Self::Session { session, .. }, Stake::Gains, Some(id)) => Some(format!("{id}:{session}")),
            (_, Stake::Gains, None) => Some(NOBODY.to_owned()),
            (Self::Session { .. }, Stake::Loses, Some(_)) | (_, Stake::Loses, None) => None,
        }
    }
}

impl Sessions {
    /// The unique id of somebody whom a document names: of the user or role, or of the role that the session is of, now.
    /// `None`: there is no such user or role.
    pub fn unique_id_of(&self, named: &NamedPrincipal) -> Result<Option<String>, Fault> {
        match named {
            NamedPrincipal::Entity(arn) => self.unique_id(arn),
            NamedPrincipal::Session { session, .. } if session.is_empty() => Ok(None),
            NamedPrincipal::Session { arn, role, .. } => {
                let Some(account) = arn.account_id() else { return Ok(None) };
                // Names are found in whatever case; an ARN has one spelling.
                let named = |found: &Arn| {
                    found.partition() == arn.partition() && found.resource().rsplit('/').next() == Some(role)
                };
                match self.kernel().directory().role_named(&account, role)?.filter(named) {
                    Some(found) => self.unique_id(&found),
                    None => Ok(None),
                }
            }
        }
    }
}

/// The unique ids of all whom a document names, by name: what must be kept with it. `find` answers the unique id somebody has
/// now; where there is none the document is refused with `missing`.
pub fn principal_ids<E>(
    text: &str,
    find: &mut dyn FnMut(&NamedPrincipal) -> Result<Option<String>, E>,
    missing: impl Fn(&str) -> E,
) -> Result<BTreeMap<String, String>, E> {
    let mut ids = BTreeMap::new();
    rewrite_principals(text, &mut |name, _| {
        if let Some(named) = NamedPrincipal::parse(name) {
            let id = find(&named)?.ok_or_else(|| missing(name))?;
            ids.insert(name.to_owned(), id);
        }
        Ok(None)
    })?;
    Ok(ids)
}

/// A document as it is enforced: everybody by the unique id that was kept.
pub fn enforced_principals(text: &str, ids: &BTreeMap<String, String>) -> String {
    let rewritten = rewrite_principals::<std::convert::Infallible>(text, &mut |name, stake| {
        let named = NamedPrincipal::parse(name);
        Ok(named.and_then(|named| named.enforced(ids.get(name).map(String::as_str), stake)))
    });
    match rewritten {
        Ok(text) => text,
        Err(never) => match never {},
    }
}

/// A document as answers show it: those who are gone appear by unique id. `find` answers the unique id somebody has now.
// AWS: IAM User Guide, "Principal": the ARN turns into the principal id when the principal is deleted.
pub fn shown_principals<E>(
    text: &str,
    ids: &BTreeMap<String, String>,
    find: &mut dyn FnMut(&NamedPrincipal) -> Result<Option<String>, E>,
) -> Result<String, E> {
    rewrite_principals(text, &mut |name, _| {
        let (Some(id), Some(named)) = (ids.get(name), NamedPrincipal::parse(name)) else { return Ok(None) };
        Ok((find(&named)?.as_ref() != Some(id)).then(|| id.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/team/worker";
    const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/worker/s";

    fn document(effect: &str, element: &str, names: &[&str]) -> String {
        let names = names.iter().map(|name| format!(r#""{name}""#)).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"Statement":[{{"Effect":"{effect}","{element}":{{"AWS":[{names}]}},"Action":"*","Resource":"*"}}]}}"#
        )
    }

    fn enforced(effect: &str, element: &str) -> String {
        let ids = [(ROLE, "AROAX"), (SESSION, "AROAX")];
        let ids = ids.map(|(name, id)| (name.to_owned(), id.to_owned()));
        enforced_principals(&document(effect, element, &[ROLE, SESSION]), &BTreeMap::from(ids))
    }

    #[test]
    fn who_gains_is_kept_by_id_and_a_session_that_loses_by_name() {
        for (effect, element) in [("Allow", "Principal"), ("Deny", "NotPrincipal")] {
            let text = enforced(effect, element);
            assert!(text.contains(r#"["AROAX","AROAX:s"]"#), "{text}");
        }
        for (effect, element) in [("Deny", "Principal"), ("Allow", "NotPrincipal")] {
            let text = enforced(effect, element);
            assert!(text.contains(&format!(r#"["AROAX","{SESSION}"]"#)), "{text}");
        }
    }

    #[test]
    fn of_whom_no_id_was_kept_gains_nothing_and_loses_as_before() {
        let of = |effect: &str| {
            enforced_principals(&document(effect, "Principal", &[ROLE, SESSION]), &BTreeMap::new())
        };
        let allowed = of("Allow");
        assert_eq!(allowed.matches(NOBODY).count(), 2, "{allowed}");
        assert_eq!(of("Deny"), document("Deny", "Principal", &[ROLE, SESSION]));
    }

    #[test]
    fn whoever_has_no_unique_id_stays_as_written() {
        for name in [
            "*",
            "123456789012",
            "arn:aws:iam::123456789012:root",
            "arn:aws:sts::123456789012:federated-user/ann",
            "AROAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(NamedPrincipal::parse(name), None, "{name}");
            let text = document("Allow", "Principal", &[name]);
            assert_eq!(enforced_principals(&text, &BTreeMap::new()), text);
        }
    }

    #[test]
    fn nobody_missing_is_kept() {
        let text = document("Allow", "Principal", &[ROLE, SESSION]);
        let refused = principal_ids(&text, &mut |_| Ok(None), str::to_owned);
        assert_eq!(refused, Err(ROLE.to_owned()));
        let found = principal_ids(&text, &mut |_| Ok(Some("AROAX".to_owned())), |_| ());
        assert_eq!(found.unwrap().len(), 2);
    }

    #[test]
    fn who_is_gone_is_shown_by_id() {
        let ids = BTreeMap::from([(ROLE.to_owned(), "AROAX".to_owned())]);
        let text = document("Allow", "Principal", &[ROLE]);
        let shown = |now: Option<&str>| {
            shown_principals::<()>(&text, &ids, &mut |_| Ok(now.map(str::to_owned))).unwrap()
        };
        assert_eq!(shown(Some("AROAX")), text);
        for now in [None, Some("AROAY")] {
            assert!(shown(now).contains(r#"["AROAX"]"#));
        }
    }
}
