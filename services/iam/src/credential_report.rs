//! The credential report: what each user can sign in or sign requests with, as a table of comma-separated values.

use casemate_names::{Arn, Scope, Timestamp};
use casemate_store::{Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    access_keys::{self, Owner},
    api::Error,
    deposits::{Deposit, SigningCertificateRow},
    entity::Entity,
    login_profiles::{self, LoginProfileRow, login_profile_key},
    mfa,
    rows::UserRow,
    uses::Uses,
};

/// A report is made anew after so many seconds, and no longer shown.
// AWS: IAM User Guide, "Getting credential reports": as often as once every four hours.
pub(crate) const AGE_S_MAX: i64 = 4 * 3600;

/// Users read at most; the account's quota is below.
const USERS_READ_MAX: usize = 10_000;

/// What there is none of.
const NOT_APPLICABLE: &str = "N/A";

// AWS: IAM User Guide, "Understanding the report format".
const HEAD: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
                    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,\
                    access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
                    access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
                    access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
                    cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

/// The latest report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReportRow {
    pub(crate) made_at: Timestamp,
    pub(crate) content: String,
}

impl Row for ReportRow {
    const TABLE: &'static str = "iam.credential-reports";
    const VERSION: u16 = 1;
}

impl ReportRow {
    /// Is it too old to be shown?
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        now.seconds().saturating_sub(self.made_at.seconds()) > AGE_S_MAX
    }
}

/// The latest report of the account.
pub(crate) fn latest(tx: &ReadTx<'_>, scope: &Scope) -> Result<Option<ReportRow>, Error> {
    Ok(tx.get::<ReportRow>(&Key::of_account(scope))?)
}

/// Makes the report.
// DIVERGES: passwords are never used to sign in.
pub(crate) fn content(tx: &ReadTx<'_>, scope: &Scope, uses: &Uses) -> Result<String, Error> {
    let mut text = String::from(HEAD);
    let lifetime = login_profiles::policy(tx, scope)?.and_then(|policy| policy.lifetime_s());
    text.push_str(&line(&root(tx, scope, uses)?));
    let holders = mfa::holders(tx, scope)?;
    for (_, user) in tx.scan::<UserRow>(&Key::of_account(scope), None, USERS_READ_MAX)? {
        text.push_str(&line(&of_user(
            tx,
            scope,
            uses,
            (&user, holders.contains(&user.unique_id)),
            lifetime,
        )?));
    }
    Ok(text)
}

fn root(tx: &ReadTx<'_>, scope: &Scope, uses: &Uses) -> Result<Vec<String>, Error> {
    let keys = keys(tx, scope, uses, &Owner::Root)?;
    let since = keys.iter().map(|key| key.created_at).min().unwrap_or_default();
    let arn = Arn::global(scope, "iam", "root").as_str().to_owned();
    let mut cells = vec!["<root_account>".to_owned(), arn, time(since)];
    // AWS: what passwords have to say of the root.
    cells.extend(
        ["not_supported", "no_information", "not_supported", "not_supported", "false"].map(str::to_owned),
    );
    finish(&mut cells, &keys, &[]);
    Ok(cells)
}

fn of_user(
    tx: &ReadTx<'_>,
    scope: &Scope,
    uses: &Uses,
    (user, has_mfa): (&UserRow, bool),
    lifetime_s: Option<i64>,
) -> Result<Vec<String>, Error> {
    let mut cells = vec![user.name.clone(), user.arn(scope).as_str().to_owned(), time(user.created_at)];
    match tx.get::<LoginProfileRow>(&login_profile_key(scope, user))? {
        Some(profile) => {
            let next = lifetime_s.map_or_else(
                || NOT_APPLICABLE.to_owned(),
                |s| time(Timestamp::from_seconds(profile.changed_at.seconds().saturating_add(s))),
            );
            cells.extend(["true".to_owned(), "no_information".to_owned(), time(profile.changed_at), next]);
        }
        None => cells.extend(["false", NOT_APPLICABLE, NOT_APPLICABLE, NOT_APPLICABLE].map(str::to_owned)),
    }
    cells.push(has_mfa.to_string());
    let certificates = SigningCertificateRow::all(tx, scope, user)?;
    finish(&mut cells, &keys(tx, scope, uses, &Owner::User(user.name.clone()))?, &certificates);
    Ok(cells)
}

/// What the report says of one access key.
struct KeyFacts {
    active: bool,
    created_at: Timestamp,
    used: Option<(Timestamp, String, String)>,
}

fn keys(tx: &ReadTx<'_>, scope: &Scope, uses: &Uses, owner: &Owner) -> Result<Vec<KeyFacts>, Error> {
    let region = scope.region.as_str();
    let facts = owner.key_ids(tx, scope)?.into_iter().map(|id| {
        let row = access_keys::fetch(tx, scope, owner, &id)?;
        let used = uses.last(tx, &id)?.map(|used| (used.at, region.to_owned(), used.service));
        Ok(KeyFacts { active: row.active, created_at: row.created_at, used })
    });
    facts.collect()
}

/// Adds the cells of two keys and two certificates.
fn finish(cells: &mut Vec<String>, keys: &[KeyFacts], certificates: &[SigningCertificateRow]) {
    for at in 0..access_keys::KEYS_MAX {
        let none = || NOT_APPLICABLE.to_owned();
        match keys.get(at) {
            Some(key) => {
                cells.extend([key.active.to_string(), time(key.created_at)]);
                match &key.used {
                    Some((at, region, service)) => {
                        cells.extend([time(*at), region.clone(), service.clone()]);
                    }
                    None => cells.extend([none(), none(), none()]),
                }
            }
            None => cells.extend(["false".to_owned(), none(), none(), none(), none()]),
        }
    }
    for at in 0..SigningCertificateRow::PER_USER_MAX {
        match certificates.get(at) {
            Some(row) => cells.extend([row.active.to_string(), time(row.uploaded_at)]),
            None => cells.extend(["false".to_owned(), NOT_APPLICABLE.to_owned()]),
        }
    }
}

/// `2026-11-26T08:00:00+00:00`
fn time(at: Timestamp) -> String {
    let text = at.iso8601();
    format!("{}+00:00", text.strip_suffix('Z').unwrap_or(&text))
}

/// A line of cells. Names of users have no commas, quotes or line ends in them, except the comma, which is quoted.
fn line(cells: &[String]) -> String {
    let quoted = cells.iter().map(|cell| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    });
    format!("\n{}", quoted.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_as_many_cells_as_the_head() {
        let mut cells = vec![String::new(); 8];
        finish(&mut cells, &[], &[]);
        assert_eq!(cells.len(), HEAD.split(',').count());
        let key = KeyFacts { active: true, created_at: Timestamp::from_seconds(0), used: None };
        let mut cells = vec![String::new(); 8];
        finish(&mut cells, &[key], &[]);
        assert_eq!(cells.len(), HEAD.split(',').count());
    }

    #[test]
    fn a_comma_in_a_name_makes_no_further_cell() {
        assert_eq!(line(&["a,b".to_owned(), "c".to_owned()]), "\n\"a,b\",c");
        assert_eq!(time(Timestamp::from_seconds(0)), "1970-01-01T00:00:00+00:00");
    }
}
