//! Grant tokens. A grant is in force as soon as it is made, so that a token changes nothing; one that is none is refused.

use casemate_names::AccountId;
use casemate_store::ReadTx;

use crate::{
    Kms,
    api::Error,
    grant::{Grant, grant_key},
    rows::Place,
};

impl Kms {
    /// Refuses tokens that name no grant.
    pub(crate) fn check_tokens(&self, tokens: Option<&Vec<String>>) -> Result<(), Error> {
        self.env.store.read(|tx| {
            for token in tokens.into_iter().flatten() {
                self.token_target(tx, token)?.ok_or_else(invalid_token)?;
            }
            Ok(())
        })
    }

    /// The key and the id of the grant that a token names.
    pub(crate) fn token_target(
        &self,
        tx: &ReadTx<'_>,
        token: &str,
    ) -> Result<Option<(Place, String)>, Error> {
        let Some((place, id, secret)) = self.parts(token) else { return Ok(None) };
        let grant: Option<Grant> = tx.get(&grant_key(&place, &id))?;
        Ok(grant.filter(|grant| grant.token == secret).map(|_| (place, id)))
    }

    fn parts(&self, token: &str) -> Option<(Place, String, String)> {
        let mut parts = token.split('_');
        let (account, key, id, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let legal = |part: &str| {
            part.len() <= 64 && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if parts.next().is_some() || ![key, id, secret].iter().all(|part| legal(part)) {
            return None;
        }
        let scope = self.env.scope_of(&AccountId::parse(account).ok()?);
        Some((Place { scope, id: key.to_owned() }, id.to_owned(), secret.to_owned()))
    }
}

/// The token names no grant.
pub(crate) fn invalid_token() -> Error {
    Error::invalid_grant_token_exception("The grant token is invalid.")
}
