//! Exchanging refresh tokens for new tokens.

use std::sync::Arc;

use casemate_names::{Secret, Timestamp};

use crate::{
    CognitoIdp,
    answer::Answer,
    api::Error,
    client::Client,
    grant::{Draws, Grant, RefreshAnswer, group_claims},
    pool::{Place, Trouble},
    tokens::{self, Judgement, RefreshDoor, RefreshToken},
};

/// What must be shown along with the refresh token.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// `SECRET_HASH`, over the owner's username or sub.
    Hash(Option<String>),
    /// `ClientSecret`
    Secret(Option<Secret<String>>),
}

impl CognitoIdp {
    /// New ID and access tokens, and where tokens rotate a new refresh token.
    pub(crate) async fn refresh(
        &self,
        (place, client): (Place, Client),
        token: Secret<String>,
        shown: Shown,
        door: RefreshDoor,
        now: Timestamp,
    ) -> Result<Answer, Error> {
        let draws = Draws::new(&*self.env.entropy);
        let (drawn, owner, at) = (draws.clone(), client.clone(), place.clone());
        let (ring, pool) =
            self.env.store.read(|tx| Ok::<_, Trouble>((self.keys.of(tx, &place)?, place.pool(tx)?)))?;
        let issuer = self.issuer(&place, &pool);
        let judged = self
            .env
            .store
            .write(move |tx| {
                let (stored, family, user) =
                    match tokens::judge_refresh(tx, &at, &owner, token.expose(), door, now) {
                        Ok(found) => found,
                        Err(Judgement::Trouble(trouble)) => return Err(trouble),
                        Err(Judgement::Reused) => return Ok(None),
                    };
                // AWS: the token is judged before the secret.
                match &shown {
                    Shown::Hash(hash) => {
                        owner.check_secret_hash(&[&user.username, &user.sub], hash.as_deref())?;
                    }
                    Shown::Secret(secret) => {
                        owner.check_secret(secret.as_ref().map(|s| s.expose().as_str()))?;
                    }
                }
                if let Some(grace_s) = owner.rotation_grace_s {
                    // The first use decides when the old token ends; using it again within its grace gives a further one.
                    let until = stored.replaced_until.unwrap_or_else(|| now.plus_seconds(grace_s));
                    let replaced =
                        RefreshToken { origin: stored.origin.clone(), replaced_until: Some(until) };
                    tx.put(&tokens::refresh_key(&at, token.expose()), &replaced)?;
                    tokens::put_refresh(tx, &at, &stored.origin, &family, drawn.refresh.expose())?;
                }
                Ok(Some(Grant {
                    groups: group_claims(tx, &at, &family.username)?,
                    user,
                    origin: stored.origin,
                    auth_time: family.auth_time,
                    ring: Arc::clone(&ring),
                    issuer: issuer.clone(),
                }))
            })
            .await?;
        let Some(grant) = judged else {
            return Err(Error::refresh_token_reuse_exception(
                "Refresh token has been rotated and can no longer be used.",
            ));
        };
        let answer = if client.rotation_grace_s.is_some() { RefreshAnswer::New } else { RefreshAnswer::None };
        self.tokens(grant, &client, &draws, now, answer).await
    }
}
