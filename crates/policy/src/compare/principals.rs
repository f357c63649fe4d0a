//! Callers that tell `Principal` elements apart: everybody who is named, in each combination of names that one caller
//! can have, and for each kind of caller a stranger.

use std::collections::BTreeSet;

use casemate_names::Arn;

use super::budget::{Budget, Spent};
use crate::{
    Principal,
    principal::{Named, Whom},
};

/// An account nobody names.
const STRANGE_ACCOUNTS: [&str; 3] = ["999999999999", "999999999998", "999999999997"];

/// What the statements name.
#[derive(Debug, Default)]
struct Names<'a> {
    accounts: BTreeSet<&'a str>,
    arns: BTreeSet<&'a str>,
    ids: BTreeSet<&'a str>,
    /// Sessions' own names, of those that are named by their role's id.
    sessions: BTreeSet<&'a str>,
    services: BTreeSet<&'a str>,
    providers: BTreeSet<&'a str>,
}

/// One caller for each combination of `whom` that some caller is named by, with the positions of those that name it.
pub(super) fn candidates(
    whom: &[&Whom],
    budget: &mut Budget,
) -> Result<Vec<(Principal, BTreeSet<usize>)>, Spent> {
    let names = Names::of(whom);
    let mut found: Vec<(Principal, BTreeSet<usize>)> = Vec::new();
    let mut seen: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
    for principal in names.everybody() {
        budget.spend(whom.len().saturating_add(1))?;
        let named_by = whom.iter().enumerate().filter(|(_, whom)| whom.names(&principal));
        let named_by: BTreeSet<usize> = named_by.map(|(at, _)| at).collect();
        if seen.insert(named_by.clone()) {
            found.push((principal, named_by));
        }
    }
    Ok(found)
}

/// Whoever is asked about when policies do not say to whom they apply.
pub(super) fn anybody() -> Principal {
    let [account, ..] = STRANGE_ACCOUNTS;
    user(&arn("iam", account, "user/anybody"), "AIDAANYBODYANYBODYAA", account)
}

fn arn(service: &str, account: &str, resource: &str) -> String {
    Arn::from_parts(["aws", service, "", account, resource]).as_str().to_owned()
}

fn user(arn: &str, unique_id: &str, account: &str) -> Principal {
    Principal::User { arn: arn.to_owned(), unique_id: unique_id.to_owned(), account: account.to_owned() }
}

impl<'a> Names<'a> {
    fn of(whom: &[&'a Whom]) -> Self {
        let mut names = Self::default();
        for whom in whom {
            let (Whom::Listed(listed) | Whom::AllBut(listed)) = whom else { continue };
            for named in listed {
                match named {
                    Named::Anyone | Named::CanonicalUser => false,
                    Named::Account(account) => names.accounts.insert(account),
                    Named::Arn(arn) => names.arns.insert(arn),
                    Named::UniqueId(id) => names.ids.insert(id),
                    Named::SessionOf { role_id, name } => {
                        names.sessions.insert(name);
                        names.ids.insert(role_id)
                    }
                    Named::Service(service) => names.services.insert(service),
                    Named::Federated(provider) => names.providers.insert(provider),
                };
            }
        }
        let accounts: Vec<&str> = names.arns.iter().filter_map(|arn| arn.split(':').nth(4)).collect();
        names.accounts.extend(accounts);
        let strange = STRANGE_ACCOUNTS.iter().find(|account| !names.accounts.contains(**account));
        names.accounts.extend(strange.copied());
        names
    }

    /// Those who are easiest to imagine first: of several callers with the same rights the first is shown.
    fn everybody(&self) -> impl Iterator<Item = Principal> {
        let of_account = self.accounts.iter().flat_map(|account| {
            let root = Principal::Root { account: (*account).to_owned() };
            self.users(account).chain(self.sessions(account)).chain(self.federated(account)).chain([root])
        });
        let service = |name: &str| Principal::Service { name: name.to_owned() };
        let provider = |name: &str| Principal::WebIdentity { provider: name.to_owned() };
        of_account
            .chain(self.services.iter().copied().chain(["unnamed.amazonaws.com"]).map(service))
            .chain(self.providers.iter().copied().chain(["unnamed.example.com"]).map(provider))
            .chain([Principal::Anonymous])
    }

    /// The listed ARNs of an account whose resource starts with `kind`, and one that is not listed.
    fn arns(&self, account: &str, kind: &str, unlisted: &str) -> Vec<String> {
        let is_meant = |arn: &&str| {
            let mut parts = arn.splitn(6, ':').skip(4);
            parts.next() == Some(account) && parts.next().is_some_and(|resource| resource.starts_with(kind))
        };
        let mut all: Vec<String> = self.arns.iter().copied().filter(is_meant).map(str::to_owned).collect();
        let service = if kind.starts_with("user/") || kind.starts_with("role/") { "iam" } else { "sts" };
        all.push(arn(service, account, &format!("{kind}{unlisted}")));
        all
    }

    fn ids(&self, prefix: &str, unlisted: &'a str) -> Vec<&'a str> {
        let listed = self.ids.iter().copied().filter(|id| id.starts_with(prefix));
        std::iter::once(unlisted).chain(listed).collect()
    }

    fn users(&self, account: &str) -> impl Iterator<Item = Principal> {
        let arns = self.arns(account, "user/", "unnamed");
        let ids = self.ids("AIDA", "AIDAUNNAMEDUNNAMEDAA");
        let account = account.to_owned();
        arns.into_iter().flat_map(move |arn| {
            let account = account.clone();
            ids.clone().into_iter().map(move |id| user(&arn, id, &account))
        })
    }

    fn federated(&self, account: &str) -> impl Iterator<Item = Principal> {
        let arns = self.arns(account, "federated-user/", "unnamed").into_iter();
        let account = account.to_owned();
        arns.map(move |arn| Principal::FederatedUser { arn, account: account.clone() })
    }

    /// Each listed role with its listed sessions and another one; each listed session also under a role that is not.
    fn sessions(&self, account: &str) -> impl Iterator<Item = Principal> {
        let role_of = |path: &str| arn("iam", account, &format!("role/{path}"));
        let mut pairs: Vec<(String, String)> = Vec::new();
        for role in self.arns(account, "role/", "unnamed") {
            let name = role.rsplit('/').next().unwrap_or("").to_owned();
            let own = self.arns(account, &format!("assumed-role/{name}/"), "unnamed");
            let by_id =
                self.sessions.iter().map(|own| arn("sts", account, &format!("assumed-role/{name}/{own}")));
            pairs.extend(own.into_iter().chain(by_id).map(|session| (role.clone(), session)));
        }
        for session in self.arns(account, "assumed-role/", "unnamed/unnamed") {
            let name = session.split('/').nth(1).unwrap_or("");
            let roles = [role_of(name), role_of(&format!("unnamed/{name}"))];
            let unlisted = roles.into_iter().find(|role| !self.arns.contains(role.as_str()));
            pairs.extend(unlisted.map(|role| (role, session.clone())));
        }
        let ids = self.ids("AROA", "AROAUNNAMEDUNNAMEDAA");
        let account = account.to_owned();
        pairs.into_iter().flat_map(move |(role_arn, session_arn)| {
            let account = account.clone();
            ids.clone().into_iter().map(move |id| Principal::Session {
                role_arn: role_arn.clone(),
                role_unique_id: id.to_owned(),
                session_arn: session_arn.clone(),
                account: account.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[(&str, &str)]) -> Vec<Named> {
        names.iter().map(|(kind, name)| Named::parse(kind, name).unwrap()).collect()
    }

    #[test]
    fn every_way_of_being_named_has_a_caller() {
        let whom = [
            Whom::Listed(listed(&[("AWS", "111111111111")])),
            Whom::Listed(listed(&[("AWS", "arn:aws:iam::111111111111:role/p/r")])),
            Whom::Listed(listed(&[("AWS", "arn:aws:sts::111111111111:assumed-role/r/s")])),
            Whom::Listed(listed(&[("Service", "x.amazonaws.com")])),
            Whom::AllBut(listed(&[
                ("AWS", "111111111111"),
                ("AWS", "arn:aws:iam::111111111111:role/p/r"),
                ("AWS", "arn:aws:sts::111111111111:assumed-role/r/s"),
            ])),
        ];
        let whom: Vec<&Whom> = whom.iter().collect();
        let found = candidates(&whom, &mut Budget::new(10_000)).unwrap();
        let combinations: Vec<Vec<usize>> =
            found.iter().map(|(_, at)| at.iter().copied().collect()).collect();
        let expected: [&[usize]; 7] = [&[0], &[0, 4], &[0, 1, 2], &[0, 1, 4], &[0, 2, 4], &[4], &[3, 4]];
        for combination in expected {
            assert!(
                combinations.iter().any(|found| found == combination),
                "{combination:?}: {combinations:?}"
            );
        }
        assert_eq!(combinations.len(), expected.len());
    }

    #[test]
    fn a_session_that_is_named_by_its_roles_id_has_a_caller() {
        let whom = [
            Whom::Listed(listed(&[("AWS", "AROAAAAAAAAAAAAAAAAAA:s")])),
            Whom::Listed(listed(&[("AWS", "AROAAAAAAAAAAAAAAAAAA")])),
            Whom::Listed(listed(&[("AWS", "arn:aws:iam::111111111111:role/r")])),
        ];
        let whom: Vec<&Whom> = whom.iter().collect();
        let found = candidates(&whom, &mut Budget::new(10_000)).unwrap();
        for combination in [&[0, 1][..], &[0, 1, 2], &[1], &[1, 2], &[2], &[]] {
            let combination: BTreeSet<usize> = combination.iter().copied().collect();
            assert!(found.iter().any(|(_, at)| *at == combination), "{combination:?}");
        }
    }
}
