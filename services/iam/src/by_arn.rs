//! What identity providers and MFA devices have in common: they are named by ARN and carry tags.

use casemate_kernel::{Access, Caller};
use casemate_names::{Arn, Scope};
use casemate_store::{Key, ReadTx, Row, WriteTx};

use crate::{
    Iam,
    api::{Error, Tag},
    mfa::MfaRow,
    page::{Page, Paging},
    providers::{OidcRow, SamlRow},
    resource::{entity_arn, under},
    server_certificates::ServerCertificateRow,
    tags,
};

/// Names longer than any that can exist are not looked up: access declarations see inputs before they are checked.
// AWS: `SAMLProviderNameType` 128, `OpenIDConnectProviderUrlType` 255, paths 512 and a name of 226 for devices.
const NAME_BYTES_MAX: usize = 740;

/// A row with tags of its own.
pub(crate) trait Tagged: Row + Clone {
    /// Keys and values.
    fn tags(&self) -> &[(String, String)];
    /// Keys and values.
    fn tags_mut(&mut self) -> &mut Vec<(String, String)>;

    /// As answers show them; absent when there are none.
    fn shown_tags(&self) -> Option<Vec<Tag>> {
        tags::shown_if_any(self.tags())
    }
}

macro_rules! tagged_rows {
    ($($row:ty => $table:literal),* $(,)?) => {$(
        impl Row for $row {
            const TABLE: &'static str = $table;
            const VERSION: u16 = 1;
        }

        impl Tagged for $row {
            fn tags(&self) -> &[(String, String)] {
                &self.tags
            }

            fn tags_mut(&mut self) -> &mut Vec<(String, String)> {
                &mut self.tags
            }
        }
    )*};
}

tagged_rows! {
    MfaRow => "iam.mfa-devices",
    OidcRow => "iam.oidc-providers",
    SamlRow => "iam.saml-providers",
    ServerCertificateRow => "iam.server-certificates",
}

/// Something named by ARN.
pub(crate) trait ByArn: Tagged {
    /// The resource type in its ARN.
    const NOUN: &'static str;
    /// The quota per account.
    const PER_ACCOUNT_MAX: usize;
    /// The quota's name.
    const QUOTA: &'static str;

    /// What follows the resource type in the ARN, less the slash between them.
    fn tail(&self) -> &str;
    /// The text of NoSuchEntity.
    fn missing(arn: &str) -> String;
    /// The text of EntityAlreadyExists.
    fn exists(&self) -> String;

    /// Its ARN.
    fn arn(&self, scope: &Scope) -> Arn {
        entity_arn(scope, Self::NOUN, "/", self.tail())
    }

    /// Looks it up in its own account.
    fn find(tx: &ReadTx<'_>, scope: &Scope, arn: &str) -> Result<Option<Self>, Error> {
        let Ok(arn) = Arn::parse(arn) else { return Ok(None) };
        let tail = under(&arn, Self::NOUN).filter(|tail| tail.len() <= NAME_BYTES_MAX);
        let Some(tail) = tail.filter(|_| arn.account() == scope.account.as_str()) else { return Ok(None) };
        let found: Option<Self> = tx.get(&key(scope, tail))?;
        Ok(found.filter(|row| row.arn(scope) == arn))
    }

    /// Looks it up; an error if there is none.
    fn fetch(tx: &ReadTx<'_>, scope: &Scope, arn: &str) -> Result<Self, Error> {
        Self::find(tx, scope, arn)?.ok_or_else(|| Error::no_such_entity_exception(Self::missing(arn)))
    }

    /// Stores it.
    fn save(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), Error> {
        Ok(tx.put(&key(scope, self.tail()), self)?)
    }

    /// Stores one that does not exist yet.
    fn create(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), Error> {
        if tx.exists::<Self>(&key(scope, self.tail()))? {
            return Err(Error::entity_already_exists_exception(self.exists()));
        }
        let account = Key::of_account(scope);
        if tx.keys::<Self>(&account, None, Self::PER_ACCOUNT_MAX)?.len() >= Self::PER_ACCOUNT_MAX {
            let text = format!("Cannot exceed quota for {}: {}", Self::QUOTA, Self::PER_ACCOUNT_MAX);
            return Err(Error::limit_exceeded_exception(text));
        }
        self.save(tx, scope)
    }

    /// Removes it.
    fn remove(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), Error> {
        tx.delete::<Self>(&key(scope, self.tail()))?;
        Ok(())
    }

    /// All of an account.
    fn all(tx: &ReadTx<'_>, scope: &Scope) -> Result<Vec<Self>, Error> {
        let found = tx.scan::<Self>(&Key::of_account(scope), None, Self::PER_ACCOUNT_MAX)?;
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }
}

fn key(scope: &Scope, tail: &str) -> Key {
    Key::of_account(scope).text(tail)
}

impl Iam {
    /// What an operation on something named by ARN asks for. Text that is no ARN asks for something nobody has.
    pub(crate) fn ask_on_arn<T: ByArn>(&self, action: &'static str, arn: &str, caller: &Caller) -> Access {
        let arn = Arn::parse(arn).unwrap_or_else(|_| entity_arn(&self.scope(caller), T::NOUN, "/", arn));
        Access::on(action, arn)
    }

    /// Changes something named by ARN.
    pub(crate) async fn change_by_arn<T: ByArn>(
        &self,
        scope: &Scope,
        arn: &str,
        change: impl Fn(&mut T) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (scope, arn) = (scope.clone(), arn.to_owned());
        self.change(move |tx| {
            let mut row = T::fetch(tx, &scope, &arn)?;
            change(&mut row)?;
            row.save(tx, &scope)
        })
        .await
    }

    /// Adds or replaces tags.
    pub(crate) async fn tag_by_arn<T: ByArn>(
        &self,
        scope: &Scope,
        arn: &str,
        given: &[Tag],
    ) -> Result<(), Error> {
        let given = tags::pairs(given);
        self.change_by_arn::<T>(scope, arn, move |row| tags::add(row.tags_mut(), &given)).await
    }

    /// Removes tags.
    pub(crate) async fn untag_by_arn<T: ByArn>(
        &self,
        scope: &Scope,
        arn: &str,
        keys: Vec<String>,
    ) -> Result<(), Error> {
        self.change_by_arn::<T>(scope, arn, move |row| {
            tags::remove(row.tags_mut(), &keys);
            Ok(())
        })
        .await
    }

    /// One page of tags.
    pub(crate) fn tags_by_arn<T: ByArn>(
        &self,
        scope: &Scope,
        arn: &str,
        paging: (Option<&str>, Option<i32>),
    ) -> Result<Page<Tag>, Error> {
        let paging = Paging::new(paging.0, paging.1)?;
        let row = self.read(|tx| T::fetch(tx, scope, arn))?;
        tags::page(row.tags(), &paging)
    }
}
