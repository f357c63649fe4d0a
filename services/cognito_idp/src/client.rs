//! An app client as stored.

use std::collections::BTreeMap;

use casemate_names::{AccountId, Scope, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    attributes::{Attributes, VERIFICATION_FLAGS, Writer},
    pool::{Place, Trouble},
    refusal::Refusal,
    secret_hash,
};

/// AWS: clients per pool.
pub const PER_POOL_MAX: usize = 1_000;

/// A validity as configured: a number and its unit (`seconds`, `minutes`, `hours`, `days`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// How many.
    pub value: i64,
    /// Of what.
    pub unit: String,
}

impl Validity {
    /// In seconds.
    pub fn seconds(&self) -> i64 {
        let unit_s = match self.unit.as_str() {
            "seconds" => 1,
            "minutes" => 60,
            "days" => 86_400,
            _ => 3_600,
        };
        self.value.saturating_mul(unit_s)
    }
}

/// Does a client's caller learn whether a user exists?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Existence {
    /// `PreventUserExistenceErrors=LEGACY`, the API's default: yes.
    Shown,
    /// `ENABLED`: no; answers for unknown users are simulated.
    Hidden,
}

/// One app client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// 26 lower-case letters and digits.
    pub id: String,
    /// The pool it belongs to.
    pub pool: String,
    /// Its name.
    pub name: String,
    /// Its secret, if it is confidential.
    pub secret: Option<Secret<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// `ExplicitAuthFlows` as given.
    pub explicit_flows: Vec<String>,
    /// What it may read; `None`: the standard attributes.
    pub read_attributes: Option<Vec<String>>,
    /// What it may write; `None`: the standard attributes.
    pub write_attributes: Option<Vec<String>>,
    /// How long its access tokens live.
    pub access_validity: Validity,
    /// How long its ID tokens live.
    pub id_validity: Validity,
    /// How long its refresh tokens live.
    pub refresh_validity: Validity,
    /// How long a challenge session lives, minutes.
    pub session_minutes: i32,
    /// Does its caller learn whether a user exists?
    pub existence: Existence,
    /// Can its refresh tokens be revoked?
    pub revocation: bool,
    /// Are refresh tokens replaced on use? Seconds for which the old one still works.
    pub rotation_grace_s: Option<i64>,
    /// Settings that change nothing here and are given back as they came: member name → JSON.
    pub echoed: BTreeMap<String, String>,
}

impl Row for Client {
    const TABLE: &'static str = "cognito.client";
    const VERSION: u16 = 1;
}

/// Finds a client by its id alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientIndex {
    /// Whose it is.
    pub scope: Scope,
    /// Its pool.
    pub pool: String,
}

impl Row for ClientIndex {
    const TABLE: &'static str = "cognito.client_index";
    const VERSION: u16 = 1;
}

impl ClientIndex {
    /// The account of a client; `None` where there is no such client.
    pub fn account(tx: &ReadTx<'_>, id: &str) -> Result<Option<AccountId>, StoreError> {
        Ok(tx.get::<Self>(&index_key(id))?.map(|index| index.scope.account))
    }
}

impl Client {
    /// Finds a client by its id alone, as unsigned requests name it.
    pub fn find(tx: &ReadTx<'_>, id: &str) -> Result<(Place, Self), Trouble> {
        if let Some(index) = tx.get::<ClientIndex>(&index_key(id))? {
            let place = Place { scope: index.scope, pool: index.pool };
            if let Some(client) = tx.get::<Self>(&key(&place, id))? {
                return Ok((place, client));
            }
        }
        Err(no_such_client(id).into())
    }

    /// The client of a pool.
    pub fn of_pool(tx: &ReadTx<'_>, place: &Place, id: &str) -> Result<Self, Trouble> {
        tx.get::<Self>(&key(place, id))?.ok_or_else(|| no_such_client(id).into())
    }

    /// Stores the client and its index row.
    pub fn put(&self, tx: &mut WriteTx<'_>, place: &Place) -> Result<(), StoreError> {
        let index = ClientIndex { scope: place.scope.clone(), pool: place.pool.clone() };
        tx.put(&index_key(&self.id), &index)?;
        tx.put(&key(place, &self.id), self)
    }

    /// Removes the client.
    pub fn delete(tx: &mut WriteTx<'_>, place: &Place, id: &str) -> Result<(), StoreError> {
        tx.delete::<ClientIndex>(&index_key(id))?;
        tx.delete::<Self>(&key(place, id))
    }

    /// Judges the `SECRET_HASH` of a request.
    pub fn check_secret_hash(&self, usernames: &[&str], sent: Option<&str>) -> Result<(), Refusal> {
        let secrets: Vec<Secret<String>> = self.secret.iter().cloned().collect();
        secret_hash::check(&secrets, &self.id, usernames, sent)
    }

    /// Judges a client secret sent as such.
    pub fn check_secret(&self, sent: Option<&str>) -> Result<(), Refusal> {
        let right = match (&self.secret, sent) {
            (None, None) => true,
            (Some(secret), Some(sent)) => secret.matches(sent.as_bytes()),
            _ => false,
        };
        // AWS: as clients show it.
        if right { Ok(()) } else { Err(Refusal::not_authorized("Invalid client secret.")) }
    }

    /// A writer of attributes through this client.
    pub fn writer(&self) -> Writer<'_> {
        Writer::Client(self.write_attributes.as_deref())
    }

    /// The attributes this client may read.
    pub fn readable(&self, attributes: &Attributes) -> Vec<(String, String)> {
        let reads = |name: &str| match &self.read_attributes {
            // AWS: the verification flags are readable wherever nothing is listed.
            None => !name.contains(':') || VERIFICATION_FLAGS.contains(&name),
            Some(listed) => name == "sub" || listed.iter().any(|l| l == name),
        };
        attributes.iter().filter(|(name, _)| reads(name)).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    /// Is existence hidden from its callers?
    pub fn hides_existence(&self) -> bool {
        self.existence == Existence::Hidden
    }
}

/// The key of a client's row.
pub fn key(place: &Place, id: &str) -> Key {
    place.key().text(id)
}

fn index_key(id: &str) -> Key {
    Key::global().text(id)
}

fn no_such_client(id: &str) -> Refusal {
    // AWS: as clients show it.
    Refusal::resource_not_found(format!("User pool client {id} does not exist."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A public client with the defaults.
    fn client() -> Client {
        Client {
            id: "c1".into(),
            pool: "p".into(),
            name: "web".into(),
            secret: None,
            created_at: Timestamp::default(),
            modified_at: Timestamp::default(),
            explicit_flows: vec![],
            read_attributes: None,
            write_attributes: None,
            access_validity: Validity { value: 1, unit: "hours".into() },
            id_validity: Validity { value: 60, unit: "minutes".into() },
            refresh_validity: Validity { value: 30, unit: "days".into() },
            session_minutes: 3,
            existence: Existence::Shown,
            revocation: true,
            rotation_grace_s: None,
            echoed: BTreeMap::new(),
        }
    }

    #[test]
    fn validities_are_counted_in_their_units() {
        assert_eq!(client().access_validity.seconds(), 3600);
        assert_eq!(client().id_validity.seconds(), 3600);
        assert_eq!(client().refresh_validity.seconds(), 30 * 86_400);
    }

    #[test]
    fn custom_attributes_are_read_only_where_listed() {
        let mut attributes = Attributes::default();
        for (name, value) in
            [("sub", "s"), ("email", "a@b.co"), ("custom:plan", "gold"), ("email_verified", "true")]
        {
            attributes.set(name, value);
        }
        let names = |client: Client| -> Vec<String> {
            client.readable(&attributes).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(client()), ["email", "email_verified", "sub"]);
        let listed = Client { read_attributes: Some(vec!["custom:plan".into()]), ..client() };
        assert_eq!(names(listed), ["custom:plan", "sub"]);
    }

    #[test]
    fn wrong_missing_and_uncalled_for_secrets_are_refused() {
        let confidential = Client { secret: Some(Secret::new("s".into())), ..client() };
        assert_eq!(confidential.check_secret(Some("s")), Ok(()));
        assert!(confidential.check_secret(Some("t")).is_err());
        assert!(confidential.check_secret(None).is_err());
        assert!(client().check_secret(Some("s")).is_err());
        assert_eq!(client().check_secret(None), Ok(()));
    }
}
